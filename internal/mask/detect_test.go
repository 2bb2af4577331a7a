package mask_test

import (
	"testing"

	"github.com/metalens/metalens/internal/mask"
)

// TestDetectKnown goes through texts whose finds are known.
func TestDetectKnown(t *testing.T) {
	cases := []struct {
		text  string
		class mask.Class // "" = nothing is found
	}{
		{"Ask jane.doe+x@example.co.uk", mask.ClassEmail},
		{"müller@bücher.example writes", mask.ClassEmail},
		{"john (at) example (dot) com", mask.ClassEmail},
		{"card 4111 1111 1111 1111 was refused", mask.ClassCard},
		{"card 4111111111111111", mask.ClassCard},
		{"378282246310005", mask.ClassCard},
		{"4111 1111 1111 1112", ""},
		{"to DE89 3704 0044 0532 0130 00 please", mask.ClassIBAN},
		{"GB29NWBK60161331926819", mask.ClassIBAN},
		{"DE89 3704 0044 0532 0130 01", ""},
		{"SSN 536-90-4399", mask.ClassNationalID},
		{"order 000-12-3456", ""},
		{"NINO QQ123456C is a sample", ""},
		{"NINO AB123456C", mask.ClassNationalID},
		{"RSSMRA85T10A562S", mask.ClassNationalID},
		{"12345678Z", mask.ClassNationalID},
		{"X1234567L", mask.ClassNationalID},
		{"111.444.777-35", mask.ClassNationalID},
		{"44051401359", mask.ClassNationalID},
		{"11010519491231002X", mask.ClassNationalID},
		{"S1234567D", mask.ClassNationalID},
		{"A123456789", mask.ClassNationalID},
		{"756.9217.0769.85", mask.ClassNationalID},
		{"131052-308T", mask.ClassNationalID},
		{"8001015009087", mask.ClassNationalID},
		{"86095742719", mask.ClassNationalID},
		{"10000000146", mask.ClassNationalID},
		{"2345 6789 0124", mask.ClassNationalID},
		{"811218-9876", mask.ClassNationalID},
		{"85.07.30-033.28", mask.ClassNationalID},
		{"2 55 08 14 168 025 38", mask.ClassNationalID},
		{"passport no. C01X00T47", mask.ClassNationalID},
		{"+49 30 901820", mask.ClassPhone},
		{"+1 (415) 555-2671", mask.ClassPhone},
		{"0044 20 7946 0958", mask.ClassPhone},
		{"(212) 555-0147", mask.ClassPhone},
		{"tel. 555 0147", mask.ClassPhone},
		{"01 42 68 53 00", mask.ClassPhone},
		{"030/1234567", mask.ClassPhone},
		{"from 192.168.1.44", mask.ClassIP},
		{"from 2001:db8::8a2e:370:7334", mask.ClassIP},
		{"0.0.0.0:8080", ""},
		{"00:1A:2b:3C:4d:5E", mask.ClassMAC},
		{"AKIAIOSFODNN7EXAMPLE", mask.ClassKey},
		{"ghp_0123456789abcdefghijABCDEFGHIJ012345", mask.ClassKey},
		{"xoxb-123456789012-abcdefGHIJ", mask.ClassKey},
		{"sk_live_4eC39HqLyjWDarjtT1zdp7dc", mask.ClassKey},
		{"sk-ant-api03-AbCdEfGhIjKlMnOpQrSt", mask.ClassKey},
		{"sk-proj-AbCdEfGhIjKlMnOpQrSt0123", mask.ClassKey},
		{"mb_8hQ2nVx3Jm5Kp0Lr7Ts9Uw1Yz4Ab6Cd", mask.ClassKey},
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N", mask.ClassKey},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----", mask.ClassKey},
		{"Authorization: Bearer abcdef0123456789abcdef", mask.ClassKey},
		{"password: hunter2", mask.ClassSecret},
		{"postgres://app:s3cret@db.internal/app", mask.ClassURL},
		{"https://x.example/r?a=1&token=abc123", mask.ClassURL},
		{"https://hooks.slack.com/services/T000/B000/XXXX", mask.ClassURL},
		{"id 550e8400-e29b-41d4-a716-446655440000", mask.ClassUUID},
		{"dK3jf93kLs02mNq8Xz71Pw", mask.ClassSecret},
		{"5f4dcc3b5aa765d61d8327deb882cf99", mask.ClassSecret},
		{"born on 12.03.1984 in Kiel", mask.ClassBirth},
		{"DOB: 1984-03-12", mask.ClassBirth},
		{"742 Evergreen Street", mask.ClassAddress},
		{"Hauptstraße 12, 10115 Berlin", mask.ClassAddress},
		{"12 rue de la Paix, 75002 Paris", mask.ClassAddress},
		{"asked by Dr. Erika Mustermann", mask.ClassPerson},
		{"near 52.52001, 13.40495", mask.ClassPlace},

		{"Revenue 2024", ""},
		{"Top 10 customers", ""},
		{"Orders 2024-01-01 to 2024-12-31", ""},
		{"Release 10.2.14.3 adoption", ""},
		{"Version 1.2.3.4 rollout", ""},
		{"v0.58.2", ""},
		{"Q3 FY2023/24 vs Q3 FY2022/23", ""},
		{"MRR by month, 12-month rolling average", ""},
		{"customer_lifetime_value_by_cohort_2024", ""},
		{"Active users (last 30 days) – weekly", ""},
		{"SELECT a::int FROM b", ""},
		{"Ticket #1234567", ""},
		{"1,234,567.89 EUR", ""},
		{"10:20:30", ""},
		{"https://metabase.example.com/question/123-orders", ""},
		{"Password reset requests per day", ""},
		{"API key usage by team", ""},
		{"token refresh errors", ""},
		{"Year 2024 Main Drive", ""},
		{"internationalization_accessibility_dashboard", ""},
		{"Sr Data Engineer funnel", ""},
		{"20240131235959", ""},
		{"SKU 12345678", ""},
		{"revenue_2024_01_31_final_v2", ""},
		{"Order 100000001", ""},
	}
	for _, c := range cases {
		got := mask.Detect(c.text)
		switch {
		case c.class == "" && len(got) > 0:
			t.Errorf("%q: found %v %q", c.text, got, c.text[got[0].Start:got[0].End])
		case c.class != "" && (len(got) == 0 || got[0].Class != c.class):
			t.Errorf("%q: found %v, want %s", c.text, got, c.class)
		}
	}
}
