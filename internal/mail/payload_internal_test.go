package mail

import (
	"strings"
	"testing"
)

func TestLedgerKeepsNoWayIn(t *testing.T) {
	m := Message{
		To: "grace@example.com", Subject: "Ada invites you (ada@example.com)",
		Text: "Open https://metalens.example.com/invitation?token=s3cretTokenOfSomeLength to join.\nOr type 482913, or k3JH2jhKJHkjh23kjhKJHkjhkj23h.\nAda (ada@example.com)\n",
	}
	got := string(m.payload().Content)
	want := "Subject: Ada invites you [address]\r\n\r\nOpen https://metalens.example.com/[link] to join.\nOr type [code], or [token].\nAda [address]\n"
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if strings.Contains(got, m.To) {
		t.Error("the reader's address is kept")
	}
}
