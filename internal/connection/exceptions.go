package connection

import (
	"context"

	"github.com/metalens/metalens/internal/store"
)

// Accepted are the departures from the safe default that people accepted for one
// connection. They hold until somebody takes them back; the audit log says who
// accepted them, and when, for as long as it is kept.
type Accepted struct {
	Connection store.ConnectionID
	Name       string
	URL        string
	Options    []string // Option constants
}

// Exceptions lists every connection of an organization that has an exception, by
// name.
func (s *Service) Exceptions(ctx context.Context, org store.OrgID) ([]Accepted, error) {
	list, err := s.List(ctx, org)
	if err != nil {
		return nil, err
	}
	var out []Accepted
	for _, c := range list {
		if options := AcceptedOptions(c.Options); len(options) > 0 {
			out = append(out, Accepted{Connection: c.ID, Name: c.Name, URL: c.URL, Options: options})
		}
	}
	return out, nil
}

// AcceptedOptions lists the exceptions among a connection's options.
func AcceptedOptions(o store.ConnectionOptions) []string {
	var list []string
	for _, e := range []struct {
		option string
		on     bool
	}{
		{OptionPlainHTTP, o.AllowPlainHTTP}, {OptionTLS12, o.MinTLS12}, {OptionCustomCA, o.CACertificates != ""}, {OptionPersonal, o.IncludePersonal},
	} {
		if e.on {
			list = append(list, e.option)
		}
	}
	return list
}
