package keys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

// Mode says where the master keys come from.
type Mode string

// The modes, from the strongest to the weakest: in the first three, another user
// of the operating system, or another machine, owns the keys.
const (
	ModeKMS        Mode = "kms"                // a key management service unwraps them at the start
	ModeCredential Mode = "systemd-credential" //nolint:gosec // G101: a mode's name; the service manager, or another user, hands over a file
	ModeDescriptor Mode = "descriptor"         // whoever started the program handed over a descriptor
	ModeKeyFile    Mode = "key-file"           // a file of the program's own user: single-user mode
)

// CredentialName is the name under which a service manager hands the keys over
// (LoadCredential=metalens-master-key:…).
const CredentialName = "metalens-master-key"

// Explain says in one sentence what the mode means.
func (m Mode) Explain() string {
	switch m {
	case ModeKMS:
		return "The master key is stored wrapped; a key management service unwraps it when the program starts."
	case ModeCredential:
		return "The service manager, or another user of the machine, hands the master key over."
	case ModeDescriptor:
		return "Whoever starts the program hands the master key over through an open descriptor; it is in no file of the service."
	case ModeKeyFile:
		return "The master key is a file of the program's own user (single-user mode): whoever takes over that user has it."
	}
	return ""
}

// Options say where keys may come from. The first that is set wins: a
// descriptor, a file, the service manager's credentials, a KMS, the key file.
type Options struct {
	Descriptor     int    // 0 = none
	File           string // named by the operator
	CredentialsDir string // $CREDENTIALS_DIRECTORY
	KMS            KMS    // nil = none
	KMSFile        string // where the wrapped keys are
	KeyFile        string // of single-user mode; made on first use
	Database       string // the keys must not lie beside it; empty on a server
	Require        Mode   // refuse any other mode; empty = any
}

// Source is where the master keys of this program come from.
type Source struct {
	mode     Mode
	path     string
	fd       int
	kms      KMS
	database string
	owned    bool // key-file mode: the program makes and replaces the file
}

// Find chooses the source. It reads nothing yet. A mode other than the required
// one is errs.Invalid, code key_mode.
func Find(o Options) (*Source, error) {
	s := &Source{database: o.Database}
	found := ""
	if o.CredentialsDir != "" {
		path := filepath.Join(o.CredentialsDir, CredentialName)
		if _, err := os.Lstat(path); err == nil {
			found = path
		}
	}
	switch {
	case o.Descriptor != 0:
		s.mode, s.fd = ModeDescriptor, o.Descriptor
	case o.File != "":
		s.mode, s.path = fileMode(o.File, o.CredentialsDir), o.File
	case found != "":
		s.mode, s.path = ModeCredential, found
	case o.KMS != nil:
		s.mode, s.path, s.kms = ModeKMS, o.KMSFile, o.KMS
	default:
		s.mode, s.path, s.owned = ModeKeyFile, o.KeyFile, true
	}
	if o.Require != "" && o.Require != s.mode {
		return nil, errs.New(errs.Invalid, "key_mode", fmt.Sprintf("The settings demand a master key from %s, and what is set up is %s.", o.Require, s.mode),
			"Hand the key over as keys.mode says, or change keys.mode.")
	}
	return s, nil
}

// fileMode judges a file that the operator named: in the service manager's
// hands, another user's, or the program's own.
func fileMode(path, credentials string) Mode {
	for _, dir := range []string{credentials, "/run/credentials", "/run/secrets"} {
		if dir != "" && strings.HasPrefix(filepath.Clean(path), filepath.Clean(dir)+string(filepath.Separator)) {
			return ModeCredential
		}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return ModeCredential // what is wrong is said when it is read
	}
	if uid, ok := owner(info); ok && uid != os.Geteuid() {
		return ModeCredential
	}
	return ModeKeyFile
}

// Mode tells where the keys come from.
func (s *Source) Mode() Mode { return s.mode }

// Place names the place for people; it holds nothing secret.
func (s *Source) Place() string {
	switch s.mode {
	case ModeDescriptor:
		return fmt.Sprintf("descriptor %d", s.fd)
	case ModeKMS:
		return s.kms.Name() + ", wrapped in " + s.path
	}
	return s.path
}

// Path returns the file that holds the keys, wrapped or not; empty for a
// descriptor.
func (s *Source) Path() string { return s.path }

// Writable reports whether [Source.Save] can put other keys in place. Where it
// cannot, the operator does.
func (s *Source) Writable() bool { return s.mode == ModeKMS || s.mode == ModeKeyFile }

// Load reads the keys. In single-user mode, and with a KMS, they are made on
// first use.
func (s *Source) Load(ctx context.Context) (*Keyset, error) {
	switch {
	case s.mode == ModeDescriptor:
		return FromDescriptor(uintptr(s.fd))
	case s.mode == ModeCredential:
		return FromCredential(s.path)
	case s.mode == ModeKMS:
		return s.loadWrapped(ctx)
	case s.owned:
		return OpenOrCreateFile(s.path, s.database)
	}
	return OpenFile(s.path, s.database)
}

// Reload returns the function that reads the keys again while the program runs;
// nil where that is not possible.
func (s *Source) Reload(ctx context.Context) func() (*Keyset, error) {
	if s.mode == ModeDescriptor {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	return func() (*Keyset, error) { return s.Load(ctx) }
}

// Save puts other keys in place, durably and in one step.
func (s *Source) Save(ctx context.Context, set *Keyset) error {
	switch s.mode {
	case ModeKMS:
		return s.saveWrapped(ctx, set)
	case ModeKeyFile:
		return ReplaceFile(s.path, set)
	}
	return errs.New(errs.Internal, "key_not_ours", "The master key is not this program's to replace.", "")
}

// KMS wraps and unwraps the master keys by a key that never leaves it.
type KMS interface {
	// Name names the service and its key for people, for example
	// "vault transit/metalens".
	Name() string
	// Wrap encrypts a text; what says where it belongs is bound to it.
	Wrap(ctx context.Context, plaintext []byte, what string) ([]byte, error)
	// Unwrap decrypts what Wrap made with the same binding. An outage is
	// errs.Unavailable; a refusal errs.Forbidden.
	Unwrap(ctx context.Context, wrapped []byte, what string) ([]byte, error)
}

// wrappedPlace binds what a KMS wraps to its use.
const wrappedPlace = "metalens master keyset v1"

// wrappedTag starts a file of wrapped keys.
const wrappedTag = "metalens-wrapped-v1"

func (s *Source) loadWrapped(ctx context.Context) (*Keyset, error) {
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s.makeWrapped(ctx)
	}
	if err != nil {
		return nil, fileError(err, s.path)
	}
	wrapped, err := parseWrapped(b)
	if err != nil {
		return nil, err
	}
	plain, err := s.kms.Unwrap(ctx, wrapped, wrappedPlace)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return Parse(secret.New(string(plain)))
}

// makeWrapped makes the first keys. When two processes come together, both get
// the same.
func (s *Source) makeWrapped(ctx context.Context) (*Keyset, error) {
	set, err := Generate()
	if err != nil {
		return nil, err
	}
	text, err := s.wrap(ctx, set)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return nil, fileError(err, s.path)
	}
	if err := writeNew(s.path, text); err != nil {
		return nil, err
	}
	return s.loadWrapped(ctx)
}
