package config

import (
	"errors"
	"strings"
	"unicode"
)

// The values of server.organizations.
const (
	OneOrganization   = "one"
	ManyOrganizations = "many"
)

func membersKeys() []Key {
	return []Key{
		{
			Name: "server.organizations", Env: []string{"METALENS_ORGANIZATIONS", "METALENS_SERVER_ORGANIZATIONS"},
			Help: "one or many; many lets owners make further organizations and needs PostgreSQL",
			set: func(c *Config, v string) error {
				return setOneOf(&c.Server.Organizations, v, OneOrganization, ManyOrganizations)
			},
			show: func(c *Config) string { return c.Server.Organizations },
		},
	}
}

// setText takes one line of text.
func setText(to *string, v string) error {
	if strings.ContainsFunc(v, unicode.IsControl) {
		return errors.New("holds a line break or another control character")
	}
	*to = strings.TrimSpace(v)
	return nil
}
