package browse

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/store"
)

// Directory answers what other pages ask about single assets.
type Directory struct{ library Library }

// NewDirectory returns a directory over a library.
func NewDirectory(library Library) *Directory { return &Directory{library: library} }

// AssetNames returns the names of assets of the last scan.
func (d *Directory) AssetNames(ctx context.Context, org store.OrgID, conn store.ConnectionID, refs []catalog.Ref) (map[catalog.Ref]string, error) {
	names := make(map[catalog.Ref]string, len(refs))
	if len(refs) == 0 {
		return names, nil
	}
	view, err := d.library.View(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	for _, r := range refs {
		if name, ok := nameOf(view.Index, r); ok {
			names[r] = name
		}
	}
	return names, nil
}

// nameOf names an asset or a column.
func nameOf(x *catalog.Index, r catalog.Ref) (string, bool) {
	if r.Kind == catalog.KindColumn {
		c := x.Column(r.ID)
		if c == nil {
			return "", false
		}
		if t := x.Table(catalog.TableOfColumn(r.ID)); t != nil {
			return t.Name + "." + c.Name, true
		}
		return c.Name, true
	}
	if r.Kind == catalog.KindCollection && r.ID == catalog.RootCollectionID && x.Collection(r.ID) == nil {
		return rootName, true
	}
	if a := x.Asset(r); a != nil {
		return a.Title(), true
	}
	return "", false
}

// AssetSQL returns the SQL of an asset.
func (d *Directory) AssetSQL(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (string, error) {
	view, err := d.library.View(ctx, org, conn)
	if err != nil {
		return "", err
	}
	return sqlOf(view.Index.Asset(r)), nil
}

// SQLOf returns the SQL of an asset; empty for one without.
func SQLOf(a catalog.Asset) string { return sqlOf(a) }

func sqlOf(a catalog.Asset) string {
	switch a := a.(type) {
	case *catalog.Question:
		if a.Query.Language == catalog.LanguageSQL || a.Query.Language == catalog.LanguageOther {
			return a.Query.SQL
		}
	case *catalog.Snippet:
		return a.SQL
	case *catalog.Transform:
		return a.Query.SQL
	case *catalog.Action:
		return a.SQL
	}
	return ""
}

// AssetURL returns the address of an asset in Metabase.
func (d *Directory) AssetURL(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (string, error) {
	view, err := d.library.View(ctx, org, conn)
	if err != nil {
		return "", err
	}
	return view.Index.URL(r), nil
}
