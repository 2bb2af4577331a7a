package app

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/connections"
)

// sampleName is the connection of the sample company.
const sampleName = "Sample company"

// sample is a fake Metabase that holds a sample company, started when somebody
// asks for it. It implements the first run's way out. The zero Metabase is not
// started; a nil *sample offers nothing.
type sample struct {
	connections *connection.Service
	now         func() time.Time

	mu   sync.Mutex
	url  string
	stop func()
}

// SampleConnection starts the sample Metabase if needed and says how to reach it.
func (s *sample) SampleConnection(context.Context, store.OrgID) (connections.Draft, error) {
	address, err := s.start("127.0.0.1:0") //nolint:contextcheck // it listens until it is closed
	if err != nil {
		return connections.Draft{}, err
	}
	return connections.Draft{Name: sampleName, URL: address, Auth: store.AuthAPIKey, Key: secret.New(metabasetest.DefaultKey)}, nil
}

func (s *sample) start(listen string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		return s.url, nil
	}
	fake := metabasetest.NewServer(metabasetest.Config{World: metabasetest.SampleCompany(s.now()), Admin: true, Now: s.now})
	address, stop, err := fake.Listen(listen)
	if err != nil {
		return "", err
	}
	s.url, s.stop = address, stop
	return address, nil
}

// resume starts the sample Metabase again where an earlier run left a connection
// to it, on the same port.
func (s *sample) resume(ctx context.Context, c *core) error {
	ctx = access.AsSystem(ctx)
	if s == nil {
		return nil
	}
	var orgs []store.Organization
	err := c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		orgs, err = tx.Organizations(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, o := range orgs {
		list, err := s.connections.List(ctx, o.ID)
		if err != nil {
			return err
		}
		for _, conn := range list {
			u, err := url.Parse(conn.URL)
			if conn.Name != sampleName || err != nil || u.Hostname() != "127.0.0.1" {
				continue
			}
			_, err = s.start(u.Host) //nolint:contextcheck // it listens until it is closed
			return err
		}
	}
	return nil
}

func (s *sample) close() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	return nil
}
