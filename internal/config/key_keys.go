package config

// KeyRules says where the master key must come from.
type KeyRules struct {
	Mode string // auto, or the only mode that is accepted
}

func keyKeys() []Key {
	return []Key{
		{
			Name: "keys.mode", Env: []string{"METALENS_KEYS_MODE"},
			Help: "auto, or the only place that the master key may come from: systemd-credential, descriptor or key-file",
			set: func(c *Config, v string) error {
				return setOneOf(&c.Keys.Mode, v, "auto", "systemd-credential", "descriptor", "key-file")
			},
			show: func(c *Config) string { return c.Keys.Mode },
		},
	}
}
