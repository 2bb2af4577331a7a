package main

import (
	"os"
	"os/signal"
	"syscall"
)

// hangups turns SIGHUP into wishes to read the certificate again, until stop is
// called. Only serve does that: other commands end with their terminal.
func hangups() (wishes <-chan struct{}, stop func()) {
	out, in, done := make(chan struct{}, 1), make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(in, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-in:
			}
			select {
			case out <- struct{}{}:
			default: // one is waiting already
			}
		}
	}()
	return out, func() {
		signal.Stop(in)
		close(done)
	}
}
