package mask_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mask"
)

func classifier(tb testing.TB, rules mask.Rules) *mask.Classifier {
	tb.Helper()
	c, err := mask.NewClassifier(rules)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// TestClassifyContext: the same word means something else in another place.
func TestClassifyContext(t *testing.T) {
	c := classifier(t, mask.Rules{})
	for _, test := range []struct {
		column    mask.Column
		sensitive bool
		category  mask.Category // of what is sensitive
	}{
		{mask.Column{Table: "users", Name: "name"}, true, mask.Name},
		{mask.Column{Table: "products", Name: "name"}, false, ""},
		{mask.Column{Table: "users", Name: "product_name"}, false, ""},
		{mask.Column{Table: "invoices", Name: "customer_name"}, true, mask.Name},
		{mask.Column{Table: "users", Name: "email"}, true, mask.Contact},
		{mask.Column{Table: "public.users", Name: "eMail"}, true, mask.Contact},
		{mask.Column{Table: "users", Name: "USER_EMAIL_ADDRESS"}, true, mask.Contact},
		{mask.Column{Table: "users", Name: "email", Type: "integer"}, false, ""},
		{mask.Column{Table: "users", Name: "email", Type: "type/Boolean"}, false, ""},
		{mask.Column{Table: "users", Name: "email_sent_at"}, false, ""},
		{mask.Column{Table: "users", Name: "email_verified"}, false, ""},
		{mask.Column{Table: "users", Name: "email_count"}, false, ""},
		{mask.Column{Table: "users", Name: "has_phone"}, false, ""},
		{mask.Column{Table: "users", Name: "user_allow_email"}, false, ""},
		{mask.Column{Table: "users", Name: "address_id"}, false, ""},
		{mask.Column{Table: "daily", Name: "ip_count"}, false, ""},
		{mask.Column{Table: "email_templates", Name: "name"}, false, ""},
		{mask.Column{Table: "user_groups", Name: "name"}, false, ""},
		{mask.Column{Table: "users", Name: "password_reset_sent_at"}, false, ""},
		{mask.Column{Table: "users", Name: "password_hash"}, true, mask.Credential},
		{mask.Column{Table: "patients", Name: "is_pregnant", Type: "boolean"}, true, mask.Health},
		{mask.Column{Table: "employees", Name: "salary_amount", Type: "numeric(10,2)"}, true, mask.Financial},
		{mask.Column{Table: "hits", Name: "remoteIp"}, true, mask.Network},
		{mask.Column{Table: "hosts", Name: "server_ip"}, false, ""},
		{mask.Column{Table: "cities", Name: "latitude"}, false, ""},
		{mask.Column{Table: "people", Name: "latitude", Type: "type/Float"}, true, mask.Location},
		{mask.Column{Table: "events", Name: "user.contact.phone"}, true, mask.Contact},
		{mask.Column{Table: "kunden", Name: "geburtsdatum"}, true, mask.Demographic},
		{mask.Column{Table: "kunden", Name: "Straße"}, true, mask.Contact},
		{mask.Column{Table: "kunden", Name: "Strasse_Hausnummer"}, true, mask.Contact},
		{mask.Column{Table: "kunden", Name: "TelefonNr"}, true, mask.Contact},
		{mask.Column{Table: "clients", Name: "numéro_sécurité_sociale"}, true, mask.GovernmentID},
		{mask.Column{Table: "pacientes", Name: "FECHA_NACIMIENTO"}, true, mask.Demographic},
		{mask.Column{Table: "клиенты", Name: "дата_рождения"}, true, mask.Demographic},
		{mask.Column{Table: "用户", Name: "身份证号"}, true, mask.GovernmentID},
		{mask.Column{Table: "pracownicy", Name: "Płeć"}, true, mask.Demographic},
		{mask.Column{Table: "ads", Name: "ad"}, false, ""},
		{mask.Column{Table: "x", Name: "y", SemanticType: "type/Email"}, true, mask.Contact},
		{mask.Column{Table: "x", Name: "y", SemanticType: "type/PK"}, false, ""},
		{mask.Column{Table: "x", Name: "income", SemanticType: "type/Quantity"}, false, ""},
		{mask.Column{Table: "x", Name: "fld_12", Description: "E-mail address of the person who signed"}, true, mask.Contact},
		{mask.Column{Table: "x", Name: "fld_12", Description: "Whether the e-mail address was confirmed"}, false, ""},
		{mask.Column{Table: "x", Name: "city", Description: "The city of the user"}, true, mask.Location},
		{mask.Column{}, false, ""},
		{mask.Column{Name: "..."}, false, ""},
		{mask.Column{Name: "\x00\xff<script>"}, false, ""},
	} {
		v := c.Classify(test.column)
		if v.Sensitive != test.sensitive || test.sensitive && v.Category != test.category {
			t.Errorf("%+v: %+v", test.column, v)
		}
		if v.Sensitive != (v.Score >= mask.DefaultThreshold) || v.Reason == "" || math.IsNaN(v.Score) || v.Score < 0 || v.Score > 1 || !slices.Contains(mask.Categories(), v.Category) {
			t.Errorf("%+v: %+v", test.column, v)
		}
	}
}

func TestClassifyRules(t *testing.T) {
	c := classifier(t, mask.Rules{
		Block: []mask.Rule{
			{Pattern: "Orders.Ref_*", Category: "identity", Note: "customers' own numbers"},
			{Pattern: "secret_stuff.*.*"},
			{Pattern: "payload.user.login"},
			{Pattern: "public.users.email"},
		},
		Allow: []mask.Rule{{Pattern: "contact_email"}, {Pattern: "demo.users.*"}, {Pattern: "email"}, {Pattern: "ph?ne"}},
	})
	for _, test := range []struct {
		column    mask.Column
		sensitive bool
		category  mask.Category
		reason    string
	}{
		{mask.Column{Table: "shop.orders", Name: "REF_NO"}, true, mask.Identity, "blocked by the rule Orders.Ref_*: customers' own numbers"},
		{mask.Column{Table: "secret_stuff.t", Name: "a"}, true, mask.Identity, "blocked by the rule secret_stuff.*.*"},
		{mask.Column{Table: "secret_stuff.t", Name: "iban"}, true, mask.Financial, "blocked by the rule secret_stuff.*.*"},
		{mask.Column{Table: "t", Name: "payload.user.login"}, true, mask.Identity, "blocked by the rule payload.user.login"},
		{mask.Column{Table: "public.users", Name: "email"}, true, mask.Contact, "blocked by the rule public.users.email"},
		{mask.Column{Table: "x.users", Name: "email"}, false, mask.NoCategory, "allowed by the rule email"},
		{mask.Column{Table: "companies", Name: "Contact_Email"}, false, mask.NoCategory, "allowed by the rule contact_email"},
		{mask.Column{Table: `"demo"."users"`, Name: "password"}, false, mask.NoCategory, "allowed by the rule demo.users.*"},
		{mask.Column{Name: "phone"}, false, mask.NoCategory, "allowed by the rule ph?ne"},
	} {
		v := c.Classify(test.column)
		if v.Sensitive != test.sensitive || v.Category != test.category || v.Reason != test.reason {
			t.Errorf("%+v: %+v", test.column, v)
		}
	}
	for _, bad := range []mask.Rule{{}, {Pattern: "a..b"}, {Pattern: "a.b.c.d.e"}, {Pattern: "x\ny"}, {Pattern: strings.Repeat("a", 999)}, {Pattern: "a", Category: "sekrit"}, {Pattern: "a", Category: "none"}} {
		_, err := mask.NewClassifier(mask.Rules{Block: []mask.Rule{bad}})
		if errs.KindOf(err) != errs.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
		var e *errs.Error
		if !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("%+v says not what to do", bad)
		}
	}
	if !(mask.Rule{Pattern: "users.*mail"}).Matches(mask.Column{Table: "public.Users", Name: "work_mail"}) || (mask.Rule{Pattern: "a..b"}).Matches(mask.Column{Name: "a"}) {
		t.Error("a pattern matches otherwise on its own")
	}
}

// TestClassifyHostileInputIsLinear: long names and patterns take no time.
func TestClassifyHostileInputIsLinear(t *testing.T) {
	c := classifier(t, mask.Rules{Block: []mask.Rule{{Pattern: strings.Repeat("*a", 100)}}})
	start := time.Now()
	for _, unit := range []string{"a", "aA", "a_", "mail", "é", "名", "\u0301", "1", "_", ".", "ß1", "\x00", "name9"} {
		long := strings.Repeat(unit, 1<<20/len(unit))
		c.Classify(mask.Column{Table: long, Name: long, Type: long, Description: long, SemanticType: long})
	}
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("took %s", d)
	}
}

// FuzzClassify looks for input that breaks what every verdict promises.
func FuzzClassify(f *testing.F) {
	f.Add("users", "email", "text", "", "type/Email")
	f.Add("a.b", "x.y.z", "Nullable(String)", "The e-mail", "")
	f.Add("Straße", "IPv6Address", "char(2)", "\x00", "type/PK")
	c := classifier(f, mask.Rules{Block: []mask.Rule{{Pattern: "x*.y?"}}})
	f.Fuzz(func(t *testing.T, table, name, declared, description, semantic string) {
		column := mask.Column{Table: table, Name: name, Type: declared, Description: description, SemanticType: semantic}
		v := c.Classify(column)
		if v != c.Classify(column) || v.Sensitive != (v.Score >= mask.DefaultThreshold) || v.Score < 0 || v.Score > 1 || v.Reason == "" || !slices.Contains(mask.Categories(), v.Category) {
			t.Errorf("%+v: %+v", column, v)
		}
	})
}

func BenchmarkClassify(b *testing.B) {
	c := classifier(b, mask.Rules{})
	var columns []mask.Column
	for _, file := range []string{"mozilla_bigquery_etl_columns", "debian_packaged_app_schemas", "metabase_fields_semantic_types"} {
		for _, s := range corpus(b, file) {
			columns = append(columns, s.column())
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		c.Classify(columns[i%len(columns)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "columns/s")
}
