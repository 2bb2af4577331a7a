package mail

import (
	"errors"
	"net/textproto"
	"slices"
	"strings"

	"github.com/wneessen/go-mail/smtp"

	"github.com/metalens/metalens/internal/secret"
)

// login speaks PLAIN, or LOGIN where a server knows nothing better, and neither
// without TLS beyond this machine.
type login struct {
	user     string
	password secret.Value
	plain    bool // loopback: TLS is not asked for
	steps    []string
}

// refusal is why no login was tried.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// Start implements [smtp.Auth].
func (l *login) Start(server *smtp.ServerInfo) (proto string, first []byte, err error) {
	if !server.TLS && !l.plain {
		return "", nil, &refusal{"the connection is not encrypted"}
	}
	offers := func(name string) bool {
		return slices.ContainsFunc(server.Auth, func(a string) bool { return strings.EqualFold(a, name) })
	}
	switch {
	case offers("PLAIN"):
		return "PLAIN", []byte("\x00" + l.user + "\x00" + l.password.Expose()), nil
	case offers("LOGIN"):
		l.steps = []string{l.user, l.password.Expose()}
		return "LOGIN", nil, nil
	}
	return "", nil, &refusal{"neither PLAIN nor LOGIN is offered"}
}

// Next implements [smtp.Auth].
func (l *login) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	if len(l.steps) == 0 {
		return nil, &refusal{"the server asks for more than a name and a password"}
	}
	step := l.steps[0]
	l.steps = l.steps[1:]
	return []byte(step), nil
}

// replyCode returns the number of a server's answer in an error, 0 without one.
func replyCode(err error) int {
	var coded interface{ ErrorCode() int }
	if errors.As(err, &coded) && coded.ErrorCode() != 0 {
		return coded.ErrorCode()
	}
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}
