package auth

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Factors is the part of the store that second factors need.
type Factors interface {
	// FactorState sums up the factors and recovery codes of a user.
	FactorState(ctx context.Context, user store.UserID) (store.FactorState, error)
	// Factors lists the factors of a user, the oldest first.
	Factors(ctx context.Context, user store.UserID) ([]store.Factor, error)
	// InsertFactor stores a new factor.
	InsertFactor(ctx context.Context, f store.Factor) (store.Factor, error)
	// UpdateFactor replaces name, credential and time of last use.
	UpdateFactor(ctx context.Context, f store.Factor) error
	// UseStep claims a time step of an authenticator app; false when it was used.
	UseStep(ctx context.Context, user store.UserID, factor string, step int64, at time.Time) (bool, error)
	// DeleteFactor deletes one factor; the last one only without keepOne, else
	// errs.Conflict.
	DeleteFactor(ctx context.Context, user store.UserID, factor string, keepOne bool) (store.Factor, error)
	// DeleteFactors deletes all factors and recovery codes and says how many factors.
	DeleteFactors(ctx context.Context, user store.UserID) (int, error)
	// ReplaceRecoveryCodes keeps the hashes of other codes.
	ReplaceRecoveryCodes(ctx context.Context, user store.UserID, codes []string) error
	// KeepRecoveryCodes notes that the person has put the codes away.
	KeepRecoveryCodes(ctx context.Context, user store.UserID, at time.Time) error
	// UseRecoveryCode claims a code; false when it is none or was used.
	UseRecoveryCode(ctx context.Context, user store.UserID, code string, at time.Time) (bool, error)
}

// Names of session values of factors.
const (
	keySecret   = "totp"   // secret of an authenticator app that is being added
	keySecretAt = "totpat" // when it was made
	keyCodes    = "codes"  // recovery codes that are to be put away
)

const (
	totpStep      = 30 // seconds
	totpDrift     = 1  // steps that a clock may be off
	secretLife    = 30 * time.Minute
	codeCount     = 10
	codeLength    = 16 // characters of 5 bits
	maxFactors    = 20
	maxFactorName = 60
)

var totpOptions = hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// AppSetup is what somebody needs to add an authenticator app.
type AppSetup struct {
	Secret string // in groups of four, to be typed
	URL    string // otpauth address, for phones
	QR     QR     // the same as a picture
}

// QR is a QR code: an SVG path of unit squares in a square of Size units.
type QR struct {
	Size int
	Path string
}

// StartApp returns the secret of an authenticator app that is being added. It
// is kept in the session until a code proves that the app has it; asked again,
// it is the same for half an hour.
func (s *Service) StartApp(ctx context.Context, id Identity) (AppSetup, error) {
	if id.Stage < Enrolling {
		return AppSetup{}, errNotYet()
	}
	now := s.now()
	text := s.sessions.GetString(ctx, keySecret)
	if text == "" || now.Sub(s.timeOf(ctx, keySecretAt)) > secretLife {
		key, err := totp.Generate(totp.GenerateOpts{Issuer: "MetaLens", AccountName: id.Email, SecretSize: 20})
		if err != nil {
			return AppSetup{}, fmt.Errorf("make a secret: %w", err)
		}
		text = key.Secret()
		s.sessions.Put(ctx, keySecret, text)
		s.sessions.Put(ctx, keySecretAt, now.Unix())
	}
	issuer := "MetaLens"
	if s.public != nil {
		issuer += " " + s.public.Hostname()
	}
	address := "otpauth://totp/" + url.PathEscape(issuer+":"+id.Email) + "?" + url.Values{
		"secret": {text}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"},
	}.Encode()
	picture, err := drawQR(address)
	if err != nil {
		return AppSetup{}, err
	}
	return AppSetup{Secret: grouped(text), URL: address, QR: picture}, nil
}

// drawQR draws a text as a QR code with the quiet zone of four units.
func drawQR(text string) (QR, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return QR{}, fmt.Errorf("draw a QR code: %w", err)
	}
	const quiet = 4
	size := code.Bounds().Dx()
	var path strings.Builder
	for y := range size {
		for x := 0; x < size; x++ {
			run := 0
			for x+run < size {
				if r, _, _, _ := code.At(x+run, y).RGBA(); r != 0 {
					break
				}
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	return QR{Size: size + 2*quiet, Path: path.String()}, nil
}

func grouped(text string) string {
	var b strings.Builder
	for i, r := range text {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// AddApp adds the authenticator app of [Service.StartApp] when a code proves
// that it works. A wrong code answers [FieldErrors] with the key code.
func (s *Service) AddApp(w http.ResponseWriter, r *http.Request, id Identity, name, code string, addr netip.Addr) (Identity, error) {
	ctx := r.Context()
	if id.Stage < Enrolling {
		return Identity{}, errNotYet()
	}
	text := s.sessions.GetString(ctx, keySecret)
	if text == "" || s.now().Sub(s.timeOf(ctx, keySecretAt)) > secretLife {
		return Identity{}, FieldErrors{"code": "This took too long. Scan the new picture and enter its code."}
	}
	keys, err := s.throttle.keysForCode(ctx, id, s.DeviceOf(r))
	if err != nil {
		return Identity{}, err
	}
	try, err := s.throttle.try(ctx, keys)
	if err != nil {
		return Identity{}, err
	}
	step, ok := matchStep(text, code, s.now())
	if !ok {
		return Identity{}, FieldErrors{"code": "This code is not right. Enter the six digits that the app shows now; its clock has to be right."}
	}
	if err := try.succeed(ctx); err != nil {
		return Identity{}, err
	}
	s.sessions.Remove(ctx, keySecret)
	s.sessions.Remove(ctx, keySecretAt)
	return s.addFactor(w, r, id, store.Factor{
		UserID: id.User, Kind: store.FactorTOTP, Name: factorName(name, "Authenticator app"), Secret: secret.New(text), LastStep: step,
	}, addr)
}

// addFactor stores a factor that has just been proved. With the first one come
// recovery codes.
func (s *Service) addFactor(w http.ResponseWriter, r *http.Request, id Identity, f store.Factor, addr netip.Addr) (Identity, error) {
	ctx := r.Context()
	f.CreatedAt = s.now().UTC()
	f.UsedAt = f.CreatedAt
	if id.Factors.TOTP+id.Factors.Passkeys >= maxFactors {
		return Identity{}, errs.New(errs.Invalid, "too_many_factors", "This account has as many second factors as one may have.", "Remove one that is not used any more.")
	}
	if _, err := s.factors.InsertFactor(ctx, f); err != nil {
		return Identity{}, fmt.Errorf("store the factor: %w", err)
	}
	if id.Factors.Codes == 0 {
		if err := s.makeCodes(ctx, id.User); err != nil {
			return Identity{}, err
		}
	}
	state, err := s.factors.FactorState(ctx, id.User)
	if err != nil {
		return Identity{}, fmt.Errorf("find factors: %w", err)
	}
	id.Factors = state
	s.record(ctx, id, "factor_added", addr, "kind", string(f.Kind), "name", f.Name)
	return s.proved(w, r, id, addr, true, string(f.Kind))
}

// FactorList lists the second factors of an identity, the oldest first.
func (s *Service) FactorList(ctx context.Context, id Identity) ([]store.Factor, error) {
	list, err := s.factors.Factors(ctx, id.User)
	if err != nil {
		return nil, fmt.Errorf("list factors: %w", err)
	}
	return list, nil
}

// RenameFactor gives a factor another name; an unknown one is errs.NotFound.
func (s *Service) RenameFactor(ctx context.Context, id Identity, factor, name string, addr netip.Addr) error {
	list, err := s.FactorList(ctx, id)
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.ID != factor {
			continue
		}
		f.Name = factorName(name, f.Name)
		if err := s.factors.UpdateFactor(ctx, f); err != nil {
			return fmt.Errorf("rename the factor: %w", err)
		}
		s.record(ctx, id, "factor_renamed", addr, "kind", string(f.Kind), "name", f.Name)
		return nil
	}
	return errNoFactor()
}

// RemoveFactor deletes a factor, ends the person's other sessions and gives this
// one a new token. The last factor of somebody who needs one stays:
// errs.Conflict. It says how many sessions ended.
func (s *Service) RemoveFactor(r *http.Request, id Identity, factor string, addr netip.Addr) (store.Factor, int, error) {
	ctx := r.Context()
	if id.Stage != Complete {
		return store.Factor{}, 0, errNotYet()
	}
	f, err := s.factors.DeleteFactor(ctx, id.User, factor, id.NeedsFactor)
	switch {
	case errs.KindOf(err) == errs.NotFound:
		return store.Factor{}, 0, errNoFactor()
	case err != nil:
		return store.Factor{}, 0, fmt.Errorf("remove the factor: %w", err)
	}
	s.record(ctx, id, "factor_removed", addr, "kind", string(f.Kind), "name", f.Name)
	ended, err := s.RevokeOthers(ctx, id, addr)
	if err != nil {
		return f, 0, err
	}
	left, err := s.factors.FactorState(ctx, id.User)
	if err != nil {
		return f, ended, fmt.Errorf("find factors: %w", err)
	}
	if !left.Any() { // what they once proved is no second factor of a role that may come later
		s.sessions.Remove(ctx, keyStrong)
	}
	return f, ended, s.rotate(r, id, addr)
}

func errNoFactor() error {
	return errs.New(errs.NotFound, "no_factor", "This second factor has been removed already.", "Reload the page.")
}

// errNotYet refuses what needs a login that is further.
func errNotYet() error {
	return errs.New(errs.Forbidden, "login_incomplete", "Your login is not complete.", "Finish it with your second factor.")
}

// makeCodes replaces the recovery codes and keeps them in the session, to be
// shown until the person has put them away.
func (s *Service) makeCodes(ctx context.Context, user store.UserID) error {
	codes := make([]string, codeCount)
	for i := range codes {
		codes[i] = strings.ToLower(randomText()[:codeLength])
	}
	if err := s.factors.ReplaceRecoveryCodes(ctx, user, codes); err != nil {
		return fmt.Errorf("store recovery codes: %w", err)
	}
	s.sessions.Put(ctx, keyCodes, strings.Join(codes, " "))
	return nil
}

// NewCodes replaces the recovery codes of an identity that has a factor.
func (s *Service) NewCodes(ctx context.Context, id Identity, addr netip.Addr) error {
	if id.Stage < Enrolling || !id.Factors.Any() {
		return errNotYet()
	}
	if err := s.makeCodes(ctx, id.User); err != nil {
		return err
	}
	s.record(ctx, id, "recovery_codes_made", addr)
	return nil
}

// ShownCodes returns the recovery codes that this session is to put away, in
// groups of four; nil when there are none to show.
func (s *Service) ShownCodes(ctx context.Context) []string {
	text := s.sessions.GetString(ctx, keyCodes)
	if text == "" {
		return nil
	}
	codes := strings.Fields(text)
	for i, c := range codes {
		codes[i] = strings.ReplaceAll(grouped(c), " ", "-")
	}
	return codes
}

// KeepCodes notes that the person has put the shown codes away; they are not
// shown again. A login that waited for that is complete, under a new token.
func (s *Service) KeepCodes(r *http.Request, id Identity, addr netip.Addr) error {
	ctx := r.Context()
	if id.Stage < Enrolling || s.sessions.GetString(ctx, keyCodes) == "" {
		return errs.New(errs.Conflict, "no_codes", "There are no recovery codes on this page any more.", "Make new ones.")
	}
	if err := s.factors.KeepRecoveryCodes(ctx, id.User, s.now().UTC()); err != nil {
		return fmt.Errorf("note that the codes are kept: %w", err)
	}
	s.sessions.Remove(ctx, keyCodes)
	s.record(ctx, id, "recovery_codes_kept", addr)
	return s.rotate(r, id, addr)
}

// CheckCode completes a login, or confirms a person, by the code of an
// authenticator app; a login that waits for its second factor takes a recovery
// code as well. Wrong, used and throttled codes answer errs.Unauthorized and
// errs.Limited.
func (s *Service) CheckCode(w http.ResponseWriter, r *http.Request, id Identity, code string, addr netip.Addr) (Identity, error) {
	ctx := r.Context()
	if id.IsZero() {
		return Identity{}, errNotYet()
	}
	keys, err := s.throttle.keysForCode(ctx, id, s.DeviceOf(r))
	if err != nil {
		return Identity{}, err
	}
	try, err := s.throttle.try(ctx, keys)
	if err != nil {
		return Identity{}, err
	}
	how, err := s.claim(ctx, id, code)
	if err != nil {
		return Identity{}, err
	}
	if how == "" {
		s.record(ctx, id, "login_failed", addr, "step", "code")
		return Identity{}, errs.New(errs.Unauthorized, "bad_code", "This code is not right, or it was used before.", "Wait for the next code of the app and enter that one.")
	}
	if err := try.succeed(ctx); err != nil {
		return Identity{}, err
	}
	if how == "recovery_code" {
		if id.Factors, err = s.factors.FactorState(ctx, id.User); err != nil {
			return Identity{}, fmt.Errorf("find factors: %w", err)
		}
		s.record(ctx, id, "recovery_code_used", addr, "left", fmt.Sprint(id.Factors.Codes))
	}
	return s.proved(w, r, id, addr, true, how)
}

// claim uses a code up and says what it was; "" when it was nothing.
func (s *Service) claim(ctx context.Context, id Identity, code string) (how string, err error) {
	code = strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '-' {
			return -1
		}
		return r
	}, code))
	now := s.now().UTC()
	if len(code) == codeLength && id.Stage == Half {
		ok, err := s.factors.UseRecoveryCode(ctx, id.User, code, now)
		if err != nil {
			return "", fmt.Errorf("use a recovery code: %w", err)
		}
		if ok {
			return "recovery_code", nil
		}
		return "", nil
	}
	list, err := s.FactorList(ctx, id)
	if err != nil {
		return "", err
	}
	for _, f := range list {
		if f.Kind != store.FactorTOTP {
			continue
		}
		step, ok := matchStep(f.Secret.Expose(), code, now)
		if !ok {
			continue
		}
		if ok, err = s.factors.UseStep(ctx, id.User, f.ID, step, now); err != nil {
			return "", fmt.Errorf("use a code: %w", err)
		}
		if ok {
			return string(store.FactorTOTP), nil
		}
	}
	return "", nil
}

// matchStep finds the time step whose code this is, the present one first.
func matchStep(secretText, code string, now time.Time) (int64, bool) {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	if len(code) != totpOptions.Digits.Length() {
		return 0, false
	}
	present := now.Unix() / totpStep
	for _, step := range []int64{present, present - totpDrift, present + totpDrift} {
		want, err := hotp.GenerateCodeCustom(secretText, uint64(step), totpOptions)
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return step, true
		}
	}
	return 0, false
}

// CheckPassword confirms who sits at a complete session by the password.
func (s *Service) CheckPassword(w http.ResponseWriter, r *http.Request, id Identity, password secret.Value, addr netip.Addr) (Identity, error) {
	if id.Stage < Enrolling {
		return Identity{}, errNotYet()
	}
	fields := FieldErrors{}
	if _, err := s.present(r.Context(), id, password, fields); err != nil {
		return Identity{}, err
	}
	if len(fields) > 0 {
		s.record(r.Context(), id, "login_failed", addr, "step", "confirmation")
		return Identity{}, errs.New(errs.Unauthorized, "bad_password", "This is not your password.", "Try again.")
	}
	return s.proved(w, r, id, addr, false, "password")
}

// HasPassword reports whether an account logs in with a password.
func (s *Service) HasPassword(ctx context.Context, id Identity) (bool, error) {
	user, err := s.users.User(ctx, id.User)
	if err != nil {
		return false, fmt.Errorf("find account: %w", err)
	}
	return user.PasswordHash != "", nil
}

func factorName(name, otherwise string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, name))
	if name == "" {
		return otherwise
	}
	if utf8.RuneCountInString(name) > maxFactorName {
		return string([]rune(name)[:maxFactorName])
	}
	return name
}
