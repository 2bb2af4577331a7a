package config

import "strconv"

// Retention is how long things are kept at most, and where the record of
// deletions and the keys that deletion destroys lie.
type Retention struct {
	ScanDays    int // scans, summaries, resolved findings
	AuditDays   int
	LedgerDays  int
	PayloadDays int
	// Tombstones is the file outside the database that records deletions, so that
	// a restored backup does not bring anything back; empty = in the data directory.
	Tombstones string
	// ErasureKeys is the folder of one key per organization that deletion destroys;
	// empty = in the data directory with SQLite, none with PostgreSQL.
	ErasureKeys string
}

func defaultRetention() Retention {
	return Retention{ScanDays: 90, AuditDays: 30, LedgerDays: 30, PayloadDays: 30}
}

func retentionKeys() []Key {
	days := func(name, env, help string, field func(*Config) *int, most int) Key {
		return Key{
			Name: name, Env: []string{env}, Help: help,
			set:  func(c *Config, v string) error { return setInt(field(c), v, 1, most) },
			show: func(c *Config) string { return strconv.Itoa(*field(c)) },
		}
	}
	return []Key{
		days("retention.scan_days", "METALENS_RETENTION_SCAN_DAYS", "days that scans, summaries and resolved findings are kept at most; organizations may choose less",
			func(c *Config) *int { return &c.Retention.ScanDays }, 3650),
		days("retention.audit_days", "METALENS_RETENTION_AUDIT_DAYS", "days that the audit log is kept at most",
			func(c *Config) *int { return &c.Retention.AuditDays }, 3650),
		days("retention.ledger_days", "METALENS_RETENTION_LEDGER_DAYS", "days that the egress ledger is kept at most",
			func(c *Config) *int { return &c.Retention.LedgerDays }, 3650),
		days("retention.payload_days", "METALENS_RETENTION_PAYLOAD_DAYS", "days that exact requests are kept at most, never more than 30",
			func(c *Config) *int { return &c.Retention.PayloadDays }, 30),
		{
			Name: "retention.tombstones", Env: []string{"METALENS_RETENTION_TOMBSTONES"}, Path: true,
			Help: "file outside the database that records deletions, replayed after a restore; empty = the file tombstones in the data directory",
			set:  func(c *Config, v string) error { return setPath(&c.Retention.Tombstones, v) },
			show: func(c *Config) string { return c.Retention.Tombstones },
		},
		{
			Name: "retention.erasure_keys", Env: []string{"METALENS_RETENTION_ERASURE_KEYS"}, Path: true,
			Help: "folder with one key per organization, which deletion destroys so that older copies of the database cannot be read; empty = keys/organizations in the data directory with SQLite, none with PostgreSQL",
			set:  func(c *Config, v string) error { return setPath(&c.Retention.ErasureKeys, v) },
			show: func(c *Config) string { return c.Retention.ErasureKeys },
		},
	}
}
