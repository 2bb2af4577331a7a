package account

import (
	"context"
	"net/netip"
	"net/url"

	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// SignOn is what the login needs to know of single sign-on.
type SignOn interface {
	Enabled() bool
	Name() string
	// CheckPassword refuses members whose organization asks for single sign-on.
	CheckPassword(ctx context.Context, user store.UserID) error
	// Tied reports whether a user logs in at the provider.
	Tied(ctx context.Context, user store.UserID) (bool, error)
}

// WithSignOn offers single sign-on on the login page.
func (h *Handlers) WithSignOn(s SignOn) *Handlers {
	if s != nil && s.Enabled() {
		h.signOn = s
	}
	return h
}

// provider is the name of the identity provider, empty where there is none.
func (h *Handlers) provider() string {
	if h.signOn == nil {
		return ""
	}
	return h.signOn.Name()
}

// confirmer is the provider's name where it can say that the person is there.
func (h *Handlers) confirmer(ctx context.Context, user store.UserID) (string, error) {
	if h.signOn == nil {
		return "", nil
	}
	tied, err := h.signOn.Tied(ctx, user)
	if err != nil || !tied {
		return "", err
	}
	return h.signOn.Name(), nil
}

// allowed refuses a login that an organization wants to go by single sign-on.
func (h *Handlers) allowed(ctx context.Context, user store.UserID) error {
	if h.signOn == nil {
		return nil
	}
	return h.signOn.CheckPassword(ctx, user)
}

// allowPasskey ends a login by passkey that is not allowed.
func (h *Handlers) allowPasskey(ctx context.Context, addr netip.Addr) error {
	if h.signOn == nil {
		return nil
	}
	id, err := h.auth.Pending(ctx)
	if err != nil {
		return err
	}
	refused := h.allowed(ctx, id.User)
	if refused == nil {
		return nil
	}
	if err := h.auth.End(ctx, addr); err != nil {
		return err
	}
	return refused
}

// signOnPath leads to the provider and back to next; again asks for a fresh proof.
func signOnPath(next string, again bool) string {
	query := url.Values{"next": {page.Local(next, "/")}}
	if again {
		query.Set("again", "1")
	}
	return ui.Address("/login/sso", query)
}
