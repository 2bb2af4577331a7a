package metabase

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// Identity is what the server says about itself and about the credential.
type Identity struct {
	Instance      catalog.Instance
	ReaderName    string // display name of the key or person; empty when unknown
	VersionKnown  bool   // false on unknown builds: both parameter spellings are sent then
	PublicSharing *bool  // whether public links are switched on; nil when not told
	Gaps          []catalog.Gap
}

var (
	versionPattern = regexp.MustCompile(`^v?([01])\.([0-9]{1,4})(?:[.\-+].*)?$`)
	wordPattern    = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)
	tagPattern     = regexp.MustCompile(`^[A-Za-z0-9._+-]{1,64}$`)
)

// parseVersion takes a tag apart: v0.58.2 is the open-source build of 58,
// v1.58.2 the enterprise build of the same. Tags of other shapes (vUNKNOWN,
// nightly builds) have no major.
func parseVersion(tag string) (major int, edition string) {
	m := versionPattern.FindStringSubmatch(tag)
	if m == nil {
		return 0, ""
	}
	major, _ = strconv.Atoi(m[2])
	if m[1] == "1" {
		return major, "enterprise"
	}
	return major, "oss"
}

// Identify asks for version, edition, features and the reader's identity. A
// server that answers 404 to either is read as an unknown version.
func (c *Client) Identify(ctx context.Context) (Identity, error) {
	out := Identity{Instance: catalog.Instance{URL: c.URL()}}
	missing := 0
	if err := c.properties(ctx, &out); err != nil {
		if !IsMissing(err) {
			return out, err
		}
		missing++
		out.Gaps = append(out.Gaps, catalog.Gap{
			What: "version", Status: http.StatusNotFound,
			Reason: "the server does not tell its version; it is read as an unknown one",
		})
	}
	if err := c.currentUser(ctx, &out); err != nil {
		if !IsMissing(err) {
			return out, err
		}
		missing++
		out.Gaps = append(out.Gaps, catalog.Gap{
			What: "reader", Status: http.StatusNotFound,
			Reason: "the server does not tell as whom it is read",
		})
	}
	if missing == 2 {
		if err := c.looksLikeMetabase(ctx); err != nil {
			return out, err
		}
	}
	return out, nil
}

// looksLikeMetabase asks for lists that every Metabase has, when neither its
// version nor the reader could be told.
func (c *Client) looksLikeMetabase(ctx context.Context) error {
	for _, r := range []route{routeDatabases, routeCollections} {
		req, err := r.request("")
		if err != nil {
			return err
		}
		err = c.elements(ctx, req, func([]byte) error { return nil })
		switch status := statusOf(err); {
		case err == nil, status == http.StatusForbidden:
			return nil
		case !IsMissing(err):
			return err
		}
	}
	return notMetabase(nil)
}

func (c *Client) properties(ctx context.Context, out *Identity) error {
	req, err := routeProperties.request("")
	if err != nil {
		return err
	}
	var f faults
	isMetabase := false
	err = c.read(ctx, req, func(dec *jsontext.Decoder) error {
		if dec.PeekKind() != '{' {
			if err := dec.SkipValue(); err != nil {
				return err
			}
			return notMetabase(nil)
		}
		return eachKey(dec, func(key string) error {
			switch key {
			case "engines", "setup-token", "has-user-setup", "site-locale", "anon-tracking-enabled", "application-name", "available-locales":
				isMetabase = true
				return dec.SkipValue()
			case "version", "token-features", "report-timezone", "enable-public-sharing":
			default:
				return dec.SkipValue()
			}
			val, err := dec.ReadValue()
			if err != nil {
				return err
			}
			switch key {
			case "version":
				isMetabase = isMetabase || isObject(val)
				eachMember(val, func(k string, v []byte) {
					if tag := f.text(k, v); k == "tag" && tagPattern.MatchString(tag) {
						isMetabase = true
						out.Instance.Version = tag
					}
				})
			case "token-features":
				isMetabase = true
				out.Instance.Features = nil
				eachMember(val, func(k string, v []byte) {
					if wordPattern.MatchString(k) && v[0] == 't' {
						out.Instance.Features = append(out.Instance.Features, k)
					}
				})
				slices.Sort(out.Instance.Features)
			case "report-timezone":
				out.Instance.Timezone = f.text(key, val)
			case "enable-public-sharing":
				out.PublicSharing = f.maybe(key, val)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if !isMetabase {
		return errs.New(errs.Unavailable, codeNotMetabase, "The address answers JSON, but not as a Metabase does.",
			"Check the address: it is the one of Metabase's start page.")
	}
	out.Instance.Major, out.Instance.Edition = parseVersion(out.Instance.Version)
	if out.Instance.Edition == "" && len(out.Instance.Features) > 0 {
		out.Instance.Edition = "enterprise"
	}
	out.VersionKnown = out.Instance.Major > 0
	c.major.Store(int64(out.Instance.Major))
	return nil
}

func (c *Client) currentUser(ctx context.Context, out *Identity) error {
	req, err := routeCurrentUser.request("")
	if err != nil {
		return err
	}
	var f faults
	return c.read(ctx, req, func(dec *jsontext.Decoder) error {
		val, err := dec.ReadValue()
		if err != nil {
			return err
		}
		reader := catalog.Reader{}
		var name personName
		eachMember(val, func(k string, v []byte) {
			switch k {
			case "id":
				reader.PersonID = f.id(k, v)
			case "is_superuser":
				reader.Admin = f.flag(k, v)
			case "group_ids":
				eachElement(v, func(v []byte) { reader.GroupIDs = append(reader.GroupIDs, f.id(k, v)) })
			case "user_group_memberships":
				eachElement(v, func(v []byte) {
					eachMember(v, func(k string, v []byte) {
						if k == "id" {
							reader.GroupIDs = append(reader.GroupIDs, f.id(k, v))
						}
					})
				})
			default:
				name.take(&f, k, v)
			}
		})
		slices.SortFunc(reader.GroupIDs, catalog.CompareID)
		reader.GroupIDs = slices.Compact(reader.GroupIDs)
		if reader.PersonID == "" {
			return notMetabase(nil)
		}
		out.Instance.Reader, out.ReaderName = reader, name.display()
		c.admin.Store(reader.Admin)
		return nil
	})
}
