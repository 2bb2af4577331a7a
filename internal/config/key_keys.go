package config

import (
	"strings"
	"time"

	"github.com/metalens/metalens/internal/secret"
)

// KeyRules says where the master key must come from.
type KeyRules struct {
	Mode string // auto, or the only mode that is accepted
}

// KMS is the key management service that wraps the master keys: a program of the
// operator's, or the transit engine of Vault or OpenBao. Empty: none.
type KMS struct {
	File       string   // wrapped keys; empty = in the data directory
	Command    string   // absolute path of a program
	CommandEnv []string // variables of the environment that the program may see
	Wait       time.Duration

	VaultURL       string
	VaultMount     string
	VaultKey       string
	VaultToken     secret.Value
	VaultTokenPath string // read before each request
	VaultNamespace string
	VaultCAFile    string
}

// Enabled reports whether a service is set.
func (k KMS) Enabled() bool { return k.Command != "" || k.VaultURL != "" }

func keyKeys() []Key {
	return []Key{
		{
			Name: "keys.mode", Env: []string{"METALENS_KEYS_MODE"},
			Help: "auto, or the only place that the master key may come from: systemd-credential, descriptor, kms or key-file",
			set: func(c *Config, v string) error {
				return setOneOf(&c.Keys.Mode, v, "auto", "systemd-credential", "descriptor", "kms", "key-file")
			},
			show: func(c *Config) string { return c.Keys.Mode },
		},
		{
			Name: "kms.file", Env: []string{"METALENS_KMS_FILE"}, Path: true,
			Help: "file with the master keys as the key management service wrapped them; empty = keys/master.wrapped in the data directory",
			set:  func(c *Config, v string) error { return setPath(&c.KMS.File, v) },
			show: func(c *Config) string { return c.KMS.File },
		},
		{
			Name: "kms.command", Env: []string{"METALENS_KMS_COMMAND"},
			Help: "absolute path of a program that wraps and unwraps the master keys; empty = none",
			set:  func(c *Config, v string) error { return setText(&c.KMS.Command, v) },
			show: func(c *Config) string { return c.KMS.Command },
		},
		{
			Name: "kms.command_env", Env: []string{"METALENS_KMS_COMMAND_ENV"},
			Help: "names of environment variables that this program may see, comma separated",
			set: func(c *Config, v string) error {
				c.KMS.CommandEnv = nil
				for part := range strings.SplitSeq(v, ",") {
					if part = strings.TrimSpace(part); part != "" {
						c.KMS.CommandEnv = append(c.KMS.CommandEnv, part)
					}
				}
				return nil
			},
			show: func(c *Config) string { return strings.Join(c.KMS.CommandEnv, ",") },
		},
		{
			Name: "kms.wait", Env: []string{"METALENS_KMS_WAIT"},
			Help: "how long to try again at the start while the key management service cannot be reached",
			set:  func(c *Config, v string) error { return setDuration(&c.KMS.Wait, v, 0, time.Hour) },
			show: func(c *Config) string { return c.KMS.Wait.String() },
		},
		{
			Name: "kms.vault_url", Env: []string{"METALENS_KMS_VAULT_URL"},
			Help: "address of a Vault or OpenBao whose transit engine wraps the master keys; empty = none",
			set:  func(c *Config, v string) error { return setHTTPURL(&c.KMS.VaultURL, v) },
			show: func(c *Config) string { return c.KMS.VaultURL },
		},
		{
			Name: "kms.vault_mount", Env: []string{"METALENS_KMS_VAULT_MOUNT"},
			Help: "where its transit engine is mounted",
			set:  func(c *Config, v string) error { return setText(&c.KMS.VaultMount, v) },
			show: func(c *Config) string { return c.KMS.VaultMount },
		},
		{
			Name: "kms.vault_key", Env: []string{"METALENS_KMS_VAULT_KEY"},
			Help: "name of the transit key",
			set:  func(c *Config, v string) error { return setText(&c.KMS.VaultKey, v) },
			show: func(c *Config) string { return c.KMS.VaultKey },
		},
		{
			Name: "kms.vault_token", Env: []string{"METALENS_KMS_VAULT_TOKEN", "VAULT_TOKEN"}, Secret: true,
			Help: "token for Vault, read once; prefer kms.vault_token_path",
			set:  func(c *Config, v string) error { return setToken(&c.KMS.VaultToken, v) },
			show: func(c *Config) string { return showSecret(c.KMS.VaultToken) },
		},
		{
			Name: "kms.vault_token_path", Env: []string{"METALENS_KMS_VAULT_TOKEN_PATH"}, Path: true,
			Help: "file with the token for Vault, read before each request: of an agent, or a projected one",
			set:  func(c *Config, v string) error { return setPath(&c.KMS.VaultTokenPath, v) },
			show: func(c *Config) string { return c.KMS.VaultTokenPath },
		},
		{
			Name: "kms.vault_namespace", Env: []string{"METALENS_KMS_VAULT_NAMESPACE"},
			Help: "namespace in Vault; empty = none",
			set:  func(c *Config, v string) error { return setText(&c.KMS.VaultNamespace, v) },
			show: func(c *Config) string { return c.KMS.VaultNamespace },
		},
		{
			Name: "kms.vault_ca_file", Env: []string{"METALENS_KMS_VAULT_CA_FILE"}, Path: true,
			Help: "PEM file of a certificate authority to trust for Vault",
			set:  func(c *Config, v string) error { return setPath(&c.KMS.VaultCAFile, v) },
			show: func(c *Config) string { return c.KMS.VaultCAFile },
		},
	}
}
