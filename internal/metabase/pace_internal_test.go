package metabase

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestPacerFollowsLatency(t *testing.T) {
	p := newPacer(4, time.Now)
	for range 10 {
		p.answered(routeCards, http.StatusOK, 300*time.Millisecond)
	}
	p.answered(routeDashboards, http.StatusOK, 9*time.Second) // another route is slow by nature
	if p.atOnce() != 4 {
		t.Fatalf("%d at once after usual answers", p.atOnce())
	}
	p.answered(routeCards, http.StatusOK, 1500*time.Millisecond) // five times slower, but short
	if p.atOnce() != 4 {
		t.Errorf("%d at once: a short answer is no reason", p.atOnce())
	}
	p.answered(routeCards, http.StatusOK, 5*time.Second)
	if p.atOnce() != 2 {
		t.Errorf("%d at once after a slow answer, want 2", p.atOnce())
	}
	p.answered(routeCards, http.StatusOK, 30*time.Second)
	p.answered(routeCards, http.StatusOK, 90*time.Second)
	if p.atOnce() != 1 {
		t.Errorf("%d at once, never less than 1", p.atOnce())
	}
	for range 3 * growAfter {
		p.answered(routeCards, http.StatusOK, 300*time.Millisecond)
	}
	if p.atOnce() != 4 {
		t.Errorf("%d at once after %d good answers, want 4 again", p.atOnce(), 3*growAfter)
	}
}

func TestPacerWaitersAreServedInOrderAndCanGiveUp(t *testing.T) {
	p := newPacer(1, time.Now)
	if err := p.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.acquire(gone); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() { got <- p.acquire(context.Background()) }()
	p.release() // hands over to the waiter, whether it waits already or comes later
	if err := <-got; err != nil {
		t.Fatal(err)
	}
	p.release()
	if p.running != 0 || len(p.waiting) != 0 {
		t.Errorf("%d running, %d waiting", p.running, len(p.waiting))
	}
}
