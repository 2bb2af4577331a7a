package mask

import (
	"net/netip"
	"regexp"
	"strings"
	"sync"
)

const (
	monthWord = `(?:jan|feb|mar|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zäéû]*\.?`
	anyDate   = `(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}\.? ` + monthWord + ` \d{2,4}|` + monthWord + ` \d{1,2},? \d{4})`
	calledSo  = `(?:pass(?:word|wd|phrase|code)?|passwort|contraseña|mot de passe|pwd|secret|(?:access|auth|api|refresh|bearer|session)?[ _-]?token|(?:api|access|secret|private)[ _-]?key)`
)

// detectors are tried in order: where two overlap the first one wins.
var detectors = sync.OnceValue(func() []detector {
	re := regexp.MustCompile
	list := []detector{
		{class: ClassKey, reason: "a private key or certificate", needs: needLong | needWords, find: re(`(?s)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|$)`), open: true},
		{class: ClassURL, reason: "an address with a user and a password", needs: needLong | needAt, find: re(`(?i)\b[a-z][a-z0-9+.\-]{1,20}://[^\s/:@'"]*:[^\s/@'"]+@[^\s'"<>)]+`), open: true},
		{class: ClassURL, reason: "an address with a token in it", needs: needLong, find: re(`(?i)\bhttps?://[^\s'"<>]*[?&#][^\s'"<>]*(?:token|key|sig|signature|auth|secret|password|passwd|pwd|session|sid|jwt|code|credential|otp)=[^\s'"<>]+`), open: true},
		{class: ClassURL, reason: "an address that is a secret itself", needs: needLong, find: re(`(?i)\bhttps?://(?:hooks\.slack\.com/[^\s'"<>]+|discord(?:app)?\.com/api/webhooks/[^\s'"<>]+|[^\s'"<>/]+/(?:[^\s'"<>]*/)?public/(?:question|dashboard|document|action)/[^\s'"<>]+|[^\s'"<>/]*webhook\.office\.com/[^\s'"<>]+)`), open: true},
		{class: ClassKey, reason: "a signed token (JWT)", needs: needLong, find: re(`\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*)?`), open: true},
		{class: ClassKey, reason: "a key or token of a known service", needs: needLong, find: re(`\b(?:(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}|gl(?:pat|ptt|soat|rt|dt)-[A-Za-z0-9_\-]{20,}|xox[abeoprs]-[A-Za-z0-9\-]{10,}|xapp-[A-Za-z0-9\-]{10,}|[srp]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,}|mb_[A-Za-z0-9+/=]{20,}|sk-ant-[A-Za-z0-9_\-]{16,}|sk-(?:proj-|svcacct-|or-v1-)?[A-Za-z0-9_\-]{20,}|AIza[0-9A-Za-z_\-]{35}|ya29\.[A-Za-z0-9_\-]{20,}|GOCSPX-[A-Za-z0-9_\-]{20,}|SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_\-]{30,}|dop_v1_[a-f0-9]{40,}|hf_[A-Za-z0-9]{30,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{30,}|dapi[a-f0-9]{32}|(?:AC|SK)[a-f0-9]{32}|key-[a-f0-9]{32}|lin_api_[A-Za-z0-9]{20,}|pat[A-Za-z0-9]{14}\.[a-f0-9]{64}|nfp_[A-Za-z0-9]{30,}|sq0[a-z]{3}-[A-Za-z0-9_\-]{22,}|EAAC[A-Za-z0-9]{30,}|rdp_[A-Za-z0-9]{20,}|phc_[A-Za-z0-9]{30,}|ntn_[A-Za-z0-9]{30,}|tfp_[A-Za-z0-9_]{30,}|v1\.0-[a-f0-9]{20,}-[a-f0-9]{60,})`)},
		{class: ClassKey, reason: "a credential of a request", needs: needWords, find: re(`(?i)\b(?:bearer|basic)\s+([A-Za-z0-9._~+/\-]{16,}=*)`), group: 1, open: true, check: func(s string) bool { return strings.ContainsAny(s, "0123456789") || highEntropy(s) }},
		{class: ClassSecret, reason: "named as a secret", needs: needWords, find: re(`(?i)\b` + calledSo + `["']?\s*(?:is|[:=]+>?)\s*("[^"\s]+"|'[^'\s]+'|[^\s,;"']+)`), group: 1, open: true, check: secretValue},
		{class: ClassEmail, reason: "an e-mail address", needs: needAt, find: re(`[\p{L}\p{N}][\p{L}\p{N}._%+'\-]*@[\p{L}\p{N}](?:[\p{L}\p{N}\-]*[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}\-]*[\p{L}\p{N}])?)*\.\p{L}{2,24}`), open: true},
		{class: ClassEmail, reason: "an e-mail address", needs: needAt, find: re(`(?i)[a-z0-9][a-z0-9._+\-]*\s?[\[(]\s?(?:at|@)\s?[\])]\s?[a-z0-9\-]+(?:\s?(?:[\[(]\s?(?:dot|\.)\s?[\])]|\.)\s?[a-z0-9\-]+)+`)},
		{class: ClassIBAN, reason: "an IBAN", needs: needDigits, find: re(`(?i)[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,4})?`), check: validIBAN},
		{class: ClassCard, reason: "the number of a payment card", needs: needDigits, find: re(`\d(?:[ -]?\d){12,18}`), check: validCard},
		{class: ClassMAC, reason: "the address of a network card", needs: needLong | needDigits, find: re(`(?i)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|(?:[0-9a-f]{2}-){5}[0-9a-f]{2}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}`), check: func(s string) bool { return strings.ContainsAny(s, "0123456789") }},
		{class: ClassUUID, reason: "a UUID", needs: needLong, find: re(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)},
		{class: ClassIP, reason: "an IP address", needs: needDigits | needLong, find: re(`\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?`), check: validIPv4, unless: re(`(?i)(?:\bv|version|release|build|\d\.)\s*$`)},
		{class: ClassIP, reason: "an IP address", needs: needDigits | needLong | needAt, find: re(`(?i)(?:[0-9a-f]{1,4}:){2,7}(?::?[0-9a-f]{1,4})?(?:(?::[0-9a-f]{1,4}){1,6})?|[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?`), check: validIPv6},
		{class: ClassBirth, reason: "a date of birth", needs: needWords, find: re(`(?i)\b(?:born|dob|d\.o\.b\.?|date of birth|birth ?da(?:te|y)|geb(?:oren|urtsdatum)?\.?|nacid[oa]|fecha de nacimiento|date de naissance|née? le|nat[oa] il|data di nascita|data de nascimento)\W{0,4}(?:on |am |le |el |il |is |was )?(` + anyDate + `)`), group: 1},
	}
	for _, form := range idForms() {
		list = append(list, detector{class: ClassNationalID, reason: "a number that a state gives", needs: needDigits, find: re(form), check: validID, alone: true})
	}
	return append(list, []detector{
		{class: ClassNationalID, reason: "a number that a state gives", needs: needDigits, find: re(`\d{10,13}`), check: validPlainID, alone: true},
		{class: ClassNationalID, reason: "named as a number that a state gives", needs: needDigits | needWords, find: re(`(?i)\b(?:ssn|social security(?: (?:no|number|#))?\.?|bsn|tfn|itin|nif|nie|dni|cpf|curp|pesel|nhs(?: (?:no|number))?|sin|egn|cnp|nric|aadhaar|pan|personnummer|fødselsnummer|codice fiscale|steuer-?id|sozialversicherungsnummer|svnr|tax(?:payer)? id(?:entification)?(?: number)?|national id(?:entity)?(?: (?:no|number|card))?|passport(?: (?:no|number|#))?\.?|reisepass(?:nummer)?|driver'?s?'? licen[cs]e(?: (?:no|number|#))?\.?|medicare(?: (?:no|number))?)\s*(?:is|[:#=.]|nr\.?)*\s*([A-Z0-9][A-Z0-9.\-/ ]{4,18}[A-Z0-9])`), group: 1, check: func(s string) bool { return digitsIn(s) >= 5 }},
		{class: ClassPhone, reason: "a phone number", needs: needDigits, find: re(`(?:\+|\b00)\s?\(?\d{1,3}\)?(?:[\s./\-]{0,2}\(?\d{1,5}\)?){1,6}`), check: validPhone, unless: re(`\d\s*$`)},
		{class: ClassPhone, reason: "a phone number", needs: needDigits, find: re(`(?:\b1[-. ])?\(?[2-9]\d{2}\)?[-. ]\s?[2-9]\d{2}[-. ]\d{4}(?:\s?(?:x|ext\.?)\s?\d{1,6})?`), check: validPhone},
		{class: ClassPhone, reason: "a phone number", needs: needDigits, find: re(`\(?0\d{1,5}\)?(?:[ /\-.]{1,3}\d{2,8}){1,5}`), check: validLocalPhone, alone: true},
		{class: ClassPhone, reason: "named as a phone number", needs: needDigits, find: re(`(?i)\b(?:tel(?:efon|éfono|ephone)?|phone|mobile|mobil|cell|handy|fax|whatsapp|call|sms)\b\.?\s*(?:no|number|nr|#)?\.?\s*[:=]?\s*(\+?\(?\d[\d ()./\-]{5,18}\d)`), group: 1, check: validPhone},
		{class: ClassPlace, reason: "coordinates", needs: needDigits, find: re(`-?\d{1,2}\.\d{4,}\s*[,;/ ]\s*-?\d{1,3}\.\d{4,}`)},
		{class: ClassAddress, reason: "a postal address", needs: needWords, find: re(`\d{1,5}[a-zA-Z]?,? (?:[A-Z][\p{L}'.]+ ){1,4}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Terrace|Crescent)\b\.?(?:,? (?:Apt|Suite|Unit|#)\.? ?\w+)?`), check: notYear},
		{class: ClassAddress, reason: "a postal address", needs: needWords, find: re(`\d{1,5}[a-zA-Z]?,? (?:[A-Z][\p{L}'.]+ ){1,3}(?:Drive|Dr|Court|Ct|Way|Place|Pl|Square|Sq)\b\.?,? (?:(?:Apt|Suite|Unit|#)\.? ?\w+,? )?[A-Z][\p{L} ]+,? (?:[A-Z]{2}\b|\d{4,5}\b|[A-Z]{1,2}\d)`), check: notYear},
		{class: ClassAddress, reason: "a postal address", needs: needWords, find: re(`(?:[A-ZÄÖÜ][\p{L}\-]*(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|straat|laan|plein|gracht|kade)|(?:[A-ZÄÖÜ][\p{L}]+[ -])+(?:Straße|Strasse|Str\.|Weg|Platz|Allee)) \d{1,4} ?[a-z]?\b(?:,? \d{4,5} ?(?:[A-Z]{2} )?[A-ZÄÖÜ][\p{L}]+)?`)},
		{class: ClassAddress, reason: "a postal address", needs: needWords, find: re(`\d{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|boulevard|place|chemin|impasse|allée|quai) (?:(?:de|du|des|la|le|les|d'|l') ?)*[A-ZÀ-Ý][\p{L}'\-]+(?: [A-ZÀ-Ý][\p{L}'\-]+)*(?:,? \d{5} [A-ZÀ-Ý][\p{L}\-]+)?`)},
		{class: ClassAddress, reason: "a postal address", needs: needWords, find: re(`\b(?:Calle|Avenida|Avda\.|Via|Viale|Piazza|Corso|Rua|Travessa|Praça) (?:(?:de|del|della|da|do|dos|la|las|los|el) )*[A-ZÀ-Ý][\p{L}'\-]+(?: [A-ZÀ-Ý][\p{L}'\-]+)*,? (?:n\.?º? ?)?\d{1,4}\b`)},
		{class: ClassPerson, reason: "a person's name behind a title", needs: needWords, find: re(`\b(?:Mr|Mrs|Ms|Dr|Prof|Herr|Frau|Monsieur|Madame|Mme|Señora?)\.? ([A-ZÀ-Ý][\p{L}'\-]+(?: (?:van|von|de|der|den|da|di|del|la|le|bin|al|[A-Z]\.))*(?: [A-ZÀ-Ý][\p{L}'\-]+)?)`), group: 1},
		{class: ClassPerson, reason: "the name before an e-mail address", needs: needAt, find: re(`([A-ZÀ-Ý][\p{L}'\-]+(?: [A-ZÀ-Ý][\p{L}.'\-]*){1,3}) ?<[^\s<>@]+@`), group: 1, open: true},
		{class: ClassSecret, reason: "random characters, as keys have", needs: needLong, find: re(`[A-Za-z0-9+/_\-]{16,}={0,2}`), check: highEntropy},
		{class: ClassSecret, reason: "a hash or key in hexadecimal", needs: needLong, find: re(`(?:0x)?[0-9a-fA-F]{32,}`), check: func(s string) bool { return digitsIn(s) >= 4 && distinct(s) >= 8 }},
	}...)
})

func digitsIn(s string) int {
	n := 0
	for i := range len(s) {
		if digit(s[i]) {
			n++
		}
	}
	return n
}

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

func notYear(s string) bool {
	number, _, _ := strings.Cut(s, " ")
	return len(number) != 4 || number < "1900" || number > "2100"
}

func validIPv4(s string) bool {
	host, bits, network := strings.Cut(s, "/")
	a, err := netip.ParseAddr(host)
	if err != nil || network && (len(bits) > 2 || bits > "32" && len(bits) == 2) {
		return false
	}
	return !a.IsLoopback() && !a.IsUnspecified() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func validIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && len(s) > 5 && strings.ContainsAny(s, "0123456789") && !a.IsLoopback() && strings.Count(s, ":") > 1
}

// maxPhone and minPhone bound the digits of a phone number (E.164).
const (
	minPhone = 7
	maxPhone = 15
)

func validPhone(s string) bool {
	n := digitsIn(s)
	if strings.HasPrefix(s, "00") {
		n -= 2
	}
	if strings.HasPrefix(s, "+") || strings.HasPrefix(s, "00") {
		return n >= minPhone+1 && n <= maxPhone && !strings.HasPrefix(s, "000") && distinct(digitsOf(s)) > 2
	}
	return n >= minPhone && n <= maxPhone+3 && distinct(digitsOf(s)) > 1
}

// validLocalPhone is stricter: a number that begins with 0 may be many things.
func validLocalPhone(s string) bool {
	d := digitsOf(s)
	if len(d) < 9 || len(d) > 12 || d[1] == '0' || distinct(d) < 4 || strings.Contains(s, ".") && !strings.Contains(s, " ") && strings.Count(s, ".") < 3 {
		return false
	}
	return !isDate.MatchString(s)
}

var isDate = regexp.MustCompile(`^\d{1,2}[-/. ][0-3]?\d[-/. ](?:19|20)\d\d\b|^\d{4}[-/. ]\d{1,2}[-/. ]\d{1,2}\b`)
