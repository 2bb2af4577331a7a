package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

// Target is the Metabase that the settings name, with the credential that
// belongs to it.
type Target struct {
	URL        string
	Session    bool // the credential is a session id, not an API key
	Credential secret.Value
	URLFrom    Origin
	KeyFrom    Origin
}

// Target pairs the address with a credential. Both come from the same source:
// somebody who can write a .env file must not be able to receive the key of
// the environment. A typed --url may use a key from elsewhere, unless that
// place names another address for it. The address is empty when none is set;
// the credential is empty when none is.
func (l *Loaded) Target() (Target, error) {
	t := Target{URL: l.Config.Metabase.URL}
	if t.URL == "" {
		return Target{}, l.orphan()
	}
	t.URLFrom = l.Origin("metabase.url")
	var refused error
	for _, layer := range slices.Backward(l.layers) {
		credential, session, from, err := layer.credential()
		if err != nil {
			return Target{}, err
		}
		if credential.IsZero() {
			continue
		}
		if why := l.mayUse(t, layer); why != "" {
			if refused == nil {
				refused = errs.New(errs.Invalid, "key_of_other_source",
					fmt.Sprintf("The key from %s was not sent to %s (from %s): %s.", from, t.URL, t.URLFrom, why),
					"Give the address and the key in the same place, or both on the command line: --url and --api-key-file.")
			}
			continue
		}
		t.Credential, t.Session, t.KeyFrom = credential, session, from
		return t, nil
	}
	return t, refused
}

// orphan complains about a typed credential without any address.
func (l *Loaded) orphan() error {
	flags := l.layers[len(l.layers)-1]
	credential, _, from, err := flags.credential()
	if err != nil || credential.IsZero() {
		return err
	}
	return errs.New(errs.Invalid, "no_url", "A key was given with "+from.Detail+" and no address to use it at.", "Add --url https://metabase.example.com.")
}

// mayUse returns why the credential of a layer must not go to the address.
func (l *Loaded) mayUse(t Target, from layer) string {
	if from.source == t.URLFrom.Source {
		return ""
	}
	typed := func(s Source) bool { return s == SourceFlag || s == SourceProcess }
	switch {
	case !typed(t.URLFrom.Source):
		return "the two come from different places"
	case from.source == SourceFlag:
		return ""
	}
	own, named := from.values["metabase.url"]
	switch {
	case t.URLFrom.Source != SourceFlag:
		return "the two come from different places"
	case named && !sameSite(own.text, t.URL):
		return "that place holds the key of " + own.text
	}
	return ""
}

// credential returns the key or session id that a layer holds.
func (y layer) credential() (v secret.Value, session bool, from Origin, err error) {
	key, hasKey := y.values["metabase.api_key"]
	token, hasToken := y.values["metabase.session"]
	switch {
	case hasKey && hasToken && key.text != "" && token.text != "":
		return secret.Value{}, false, Origin{}, errs.New(errs.Invalid, "two_credentials",
			fmt.Sprintf("Both an API key (%s) and a session id (%s) are given.", key.detail, token.detail), "Keep the API key; session ids are for servers before 0.49.")
	case hasKey && key.text != "":
		return secret.New(key.text), false, Origin{y.source, key.detail}, nil
	case hasToken && token.text != "":
		return secret.New(token.text), true, Origin{y.source, token.detail}, nil
	}
	return secret.Value{}, false, Origin{}, nil
}

// sameSite compares two addresses by what decides where a request goes.
func sameSite(a, b string) bool {
	x, errX := url.Parse(a)
	y, errY := url.Parse(b)
	if errX != nil || errY != nil {
		return false
	}
	trim := func(u *url.URL) string { return strings.TrimRight(u.Path, "/") }
	return strings.EqualFold(x.Scheme, y.Scheme) && strings.EqualFold(x.Host, y.Host) && trim(x) == trim(y)
}
