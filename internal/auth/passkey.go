package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// keyCeremony is the session value of a passkey ceremony that has begun.
const keyCeremony = "ceremony"

// What a ceremony is for. An answer to one is no answer to another.
const (
	ceremonyAdd   = "add"
	ceremonyLogin = "login"
	ceremonyProof = "proof"
)

// ceremonyLife is how long a browser may take to answer.
const ceremonyLife = 5 * time.Minute

type ceremony struct {
	For  string               `json:"for"`
	User store.UserID         `json:"user,omitempty"`
	Data webauthn.SessionData `json:"data"`
}

// relyingParty says under which name browsers keep passkeys for us: the host of
// the public address; without one, localhost. Passkeys do not work under bare IP
// addresses.
func (s *Service) relyingParty(r *http.Request) (*webauthn.WebAuthn, bool) {
	var id, origin string
	if s.public != nil {
		id, origin = s.public.Hostname(), s.public.Scheme+"://"+s.public.Host
		if s.public.Scheme != "https" && id != "localhost" {
			return nil, false
		}
	} else {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if host != "localhost" {
			return nil, false
		}
		id, origin = host, "http://"+r.Host
		if s.sessions.Cookie.Secure {
			origin = "https://" + r.Host
		}
	}
	if _, err := netip.ParseAddr(id); err == nil {
		return nil, false
	}
	party, err := webauthn.New(&webauthn.Config{
		RPID: id, RPDisplayName: "MetaLens", RPOrigins: []string{origin},
		AttestationPreference: protocol.PreferNoAttestation,
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyLife, TimeoutUVD: ceremonyLife},
			Registration: webauthn.TimeoutConfig{Enforce: true, Timeout: ceremonyLife, TimeoutUVD: ceremonyLife},
		},
	})
	return party, err == nil
}

// PasskeysWork reports whether a passkey can be used at the address that the
// browser asked for.
func (s *Service) PasskeysWork(r *http.Request) bool {
	_, ok := s.relyingParty(r)
	return ok
}

func (s *Service) party(r *http.Request) (*webauthn.WebAuthn, error) {
	if p, ok := s.relyingParty(r); ok {
		return p, nil
	}
	return nil, errs.New(errs.Invalid, "no_passkeys_here", "Passkeys do not work under this address.",
		"Open MetaLens under its public https address, or under http://localhost on its own machine.")
}

// keyHolder implements [webauthn.User].
type keyHolder struct {
	id      Identity
	factors []store.Factor
	keys    []webauthn.Credential
}

// WebAuthnID implements [webauthn.User].
func (k keyHolder) WebAuthnID() []byte { return []byte(k.id.User) }

// WebAuthnName implements [webauthn.User].
func (k keyHolder) WebAuthnName() string { return k.id.Email }

// WebAuthnDisplayName implements [webauthn.User].
func (k keyHolder) WebAuthnDisplayName() string { return k.id.Name }

// WebAuthnCredentials implements [webauthn.User].
func (k keyHolder) WebAuthnCredentials() []webauthn.Credential { return k.keys }

func (s *Service) holder(ctx context.Context, id Identity) (keyHolder, error) {
	list, err := s.FactorList(ctx, id)
	if err != nil {
		return keyHolder{}, err
	}
	h := keyHolder{id: id}
	for _, f := range list {
		if f.Kind != store.FactorPasskey {
			continue
		}
		var key webauthn.Credential
		if err := json.Unmarshal(f.Credential, &key); err != nil {
			return keyHolder{}, fmt.Errorf("read a passkey: %w", err)
		}
		h.factors, h.keys = append(h.factors, f), append(h.keys, key)
	}
	return h, nil
}

// begin keeps a ceremony in the session and returns what the browser needs.
func (s *Service) beginCeremony(ctx context.Context, c ceremony, options any) ([]byte, error) {
	kept, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("keep a ceremony: %w", err)
	}
	answer, err := json.Marshal(options)
	if err != nil {
		return nil, fmt.Errorf("write a ceremony: %w", err)
	}
	s.sessions.Put(ctx, keyCeremony, string(kept))
	return answer, nil
}

// takeCeremony returns the ceremony that has begun, once.
func (s *Service) takeCeremony(ctx context.Context, purpose string, user store.UserID) (webauthn.SessionData, error) {
	text := s.sessions.PopString(ctx, keyCeremony)
	var c ceremony
	if text == "" || json.Unmarshal([]byte(text), &c) != nil || c.For != purpose || c.User != user {
		return webauthn.SessionData{}, errPasskey(nil)
	}
	return c.Data, nil
}

// resume goes on with a ceremony of a known person: the browser has answered.
func (s *Service) resume(r *http.Request, purpose string, id Identity) (party *webauthn.WebAuthn, data webauthn.SessionData, h keyHolder, err error) {
	if party, err = s.party(r); err != nil {
		return nil, data, h, err
	}
	if data, err = s.takeCeremony(r.Context(), purpose, id.User); err != nil {
		return nil, data, h, err
	}
	h, err = s.holder(r.Context(), id)
	return party, data, h, err
}

func errPasskey(cause error) error {
	const text, hint = "The passkey was not accepted.", "Try again. If it goes on, use another second factor and remove this passkey."
	if cause == nil {
		return errs.New(errs.Unauthorized, "bad_passkey", text, hint)
	}
	return errs.Wrap(cause, errs.Unauthorized, "bad_passkey", text, hint)
}

// StartPasskey begins to add a passkey and returns the options for the browser,
// as JSON.
func (s *Service) StartPasskey(r *http.Request, id Identity) ([]byte, error) {
	if id.Stage < Enrolling {
		return nil, errNotYet()
	}
	party, err := s.party(r)
	if err != nil {
		return nil, err
	}
	h, err := s.holder(r.Context(), id)
	if err != nil {
		return nil, err
	}
	options, data, err := party.BeginRegistration(h,
		webauthn.WithExclusions(webauthn.Credentials(h.keys).CredentialDescriptors()),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("begin to add a passkey: %w", err)
	}
	return s.beginCeremony(r.Context(), ceremony{ceremonyAdd, id.User, *data}, options)
}

// AddPasskey adds the passkey that a browser made for [Service.StartPasskey].
func (s *Service) AddPasskey(w http.ResponseWriter, r *http.Request, id Identity, name string, answer []byte, addr netip.Addr) (Identity, error) {
	if id.Stage < Enrolling {
		return Identity{}, errNotYet()
	}
	party, data, h, err := s.resume(r, ceremonyAdd, id)
	if err != nil {
		return Identity{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBody(bytes.NewReader(answer))
	if err != nil {
		return Identity{}, errPasskey(err)
	}
	key, err := party.CreateCredential(h, data, parsed)
	if err != nil {
		return Identity{}, errPasskey(err)
	}
	for _, k := range h.keys {
		if bytes.Equal(k.ID, key.ID) {
			return Identity{}, errPasskey(nil)
		}
	}
	key.Attestation = webauthn.CredentialAttestation{} // whose make it is, is not our business
	kept, err := json.Marshal(key)
	if err != nil {
		return Identity{}, fmt.Errorf("write a passkey: %w", err)
	}
	return s.addFactor(w, r, id, store.Factor{UserID: id.User, Kind: store.FactorPasskey, Name: factorName(name, "Passkey"), Credential: kept}, addr)
}

// StartPasskeyLogin begins a login by passkey alone and returns the options for
// the browser, as JSON. The passkey has to verify its user.
func (s *Service) StartPasskeyLogin(r *http.Request, addr netip.Addr) ([]byte, error) {
	party, err := s.party(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.throttle.try(r.Context(), keysForPasskey(addr)); err != nil {
		return nil, err
	}
	options, data, err := party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, fmt.Errorf("begin a login by passkey: %w", err)
	}
	out, err := s.beginCeremony(r.Context(), ceremony{For: ceremonyLogin, Data: *data}, options)
	if err == nil && s.sessions.GetString(r.Context(), keyUser) == "" {
		// The session of somebody unknown lives no longer than the ceremony.
		s.sessions.SetDeadline(r.Context(), time.Now().Add(ceremonyLife))
	}
	return out, err
}

// LoginByPasskey completes a login that [Service.StartPasskeyLogin] began.
func (s *Service) LoginByPasskey(w http.ResponseWriter, r *http.Request, answer []byte, addr netip.Addr) (Stage, error) {
	ctx := r.Context()
	party, err := s.party(r)
	if err != nil {
		return Nobody, err
	}
	data, err := s.takeCeremony(ctx, ceremonyLogin, "")
	if err != nil {
		return Nobody, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBody(bytes.NewReader(answer))
	if err != nil {
		return Nobody, errPasskey(err)
	}
	var h keyHolder
	key, err := party.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
		user, err := s.users.User(ctx, store.UserID(handle))
		if err != nil {
			return nil, err
		}
		id, err := s.identity(ctx, user)
		if err != nil {
			return nil, err
		}
		h, err = s.holder(ctx, id)
		return h, err
	}, data, parsed)
	if err != nil {
		s.record(ctx, h.id, "login_failed", addr, "step", "passkey")
		return Nobody, errPasskey(err)
	}
	if err := s.usePasskey(ctx, h, key, addr); err != nil {
		return Nobody, err
	}
	return s.BeginStrong(w, r, h.id, addr)
}

// StartProof begins to prove a known person by one of their passkeys and returns
// the options for the browser, as JSON.
func (s *Service) StartProof(r *http.Request, id Identity) ([]byte, error) {
	if id.IsZero() {
		return nil, errNotYet()
	}
	party, err := s.party(r)
	if err != nil {
		return nil, err
	}
	h, err := s.holder(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if len(h.keys) == 0 {
		return nil, errNoFactor()
	}
	options, data, err := party.BeginLogin(h, webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return nil, fmt.Errorf("begin a proof by passkey: %w", err)
	}
	return s.beginCeremony(r.Context(), ceremony{ceremonyProof, id.User, *data}, options)
}

// FinishProof completes what [Service.StartProof] began: the second factor of a login,
// or the confirmation of a person.
func (s *Service) FinishProof(w http.ResponseWriter, r *http.Request, id Identity, answer []byte, addr netip.Addr) (Identity, error) {
	ctx := r.Context()
	if id.IsZero() {
		return Identity{}, errNotYet()
	}
	party, data, h, err := s.resume(r, ceremonyProof, id)
	if err != nil {
		return Identity{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBody(bytes.NewReader(answer))
	if err != nil {
		return Identity{}, errPasskey(err)
	}
	key, err := party.ValidateLogin(h, data, parsed)
	if err != nil {
		s.record(ctx, id, "login_failed", addr, "step", "passkey")
		return Identity{}, errPasskey(err)
	}
	if err := s.usePasskey(ctx, h, key, addr); err != nil {
		return Identity{}, err
	}
	return s.proved(w, r, id, addr, true, string(store.FactorPasskey))
}

// usePasskey notes the use of a passkey. One whose counter does not move on may
// have been copied: it is refused.
func (s *Service) usePasskey(ctx context.Context, h keyHolder, key *webauthn.Credential, addr netip.Addr) error {
	for i, k := range h.keys {
		if !bytes.Equal(k.ID, key.ID) {
			continue
		}
		f := h.factors[i]
		if key.Authenticator.CloneWarning {
			s.record(ctx, h.id, "passkey_copy_suspected", addr, "name", f.Name)
			return errs.New(errs.Unauthorized, "passkey_copied", "This passkey may have been copied: its counter went back.",
				"Use another second factor, and remove this passkey.")
		}
		kept, err := json.Marshal(key)
		if err != nil {
			return fmt.Errorf("write a passkey: %w", err)
		}
		f.Credential, f.UsedAt = kept, s.now().UTC()
		if err := s.factors.UpdateFactor(ctx, f); err != nil {
			return fmt.Errorf("note the use of a passkey: %w", err)
		}
		return nil
	}
	return errPasskey(nil)
}
