package report

import (
	"github.com/metalens/metalens/internal/catalog"
)

// asset describes one asset of the snapshot; columns have [document.column].
func (d *document) asset(a catalog.Asset) assetEntry {
	ref := a.Ref()
	e := assetEntry{
		Kind:           ref.Kind,
		ID:             ref.ID,
		EntityID:       a.Entity(),
		Name:           a.Title(),
		URL:            d.index.URL(ref),
		CollectionID:   a.InCollection(),
		CollectionPath: d.index.CollectionPath(a.InCollection()),
		Archived:       a.IsArchived(),
	}
	if u, ok := d.in.Snapshot.Usage[ref]; ok {
		e.Usage = &usageEntry{
			Views: u.Views, LastUsedAt: u.LastUsedAt, Contaminated: u.Contaminated,
			AverageQueryMillis: u.AverageQueryMillis, DashboardCount: u.DashboardCount,
		}
		if t := e.Usage.LastUsedAt; t != nil {
			utc := t.UTC()
			e.Usage.LastUsedAt = &utc
		}
	}
	switch a := a.(type) {
	case *catalog.Question:
		d.fillCommon(&e, &a.Common)
		fillEdited(&e, a.Edited)
		e.Public, e.Embedded, e.Verified, e.Unreadable = a.Public, a.Embedded, a.Verified, a.Unreadable
		e.DatabaseID, e.Display, e.QueryLanguage = a.DatabaseID, a.Display, a.Query.Language
		e.TableID, e.SourceQuestionID = a.TableID, a.SourceQuestionID
		e.DashboardID, e.DocumentID = a.DashboardID, a.DocumentID
		e.Parameters = parameterNames(a.Parameters)
	case *catalog.Dashboard:
		d.fillCommon(&e, &a.Common)
		fillEdited(&e, a.Edited)
		e.Public, e.Embedded, e.Verified, e.DetailUnread = a.Public, a.Embedded, a.Verified, a.DetailUnread
		if !a.DetailUnread {
			n := len(a.Cards)
			e.Cards = &n
		}
		for _, t := range a.Tabs {
			e.Tabs = append(e.Tabs, t.Name)
		}
		e.Parameters = parameterNames(a.Parameters)
	case *catalog.Collection:
		d.fillCommon(&e, &a.Common)
		e.CollectionID, e.ParentID = "", a.ParentID
		e.Namespace, e.Type, e.Official, e.Personal = a.Namespace, a.Type, a.Official, a.PersonalOwnerID != ""
	case *catalog.Database:
		d.fillCommon(&e, &a.Common)
		e.Engine = a.Engine
	case *catalog.Table:
		d.fillCommon(&e, &a.Common)
		e.DatabaseID, e.Schema, e.DisplayName, e.MetabaseID = a.DatabaseID, a.Schema, a.DisplayName, a.MetabaseID
		e.Inactive, e.Visibility, e.DetailUnread = a.Inactive, a.Visibility, a.ColumnsUnread
		if !a.ColumnsUnread {
			n := len(a.Columns)
			e.ColumnCount = &n
		}
	case *catalog.Segment:
		d.fillCommon(&e, &a.Common)
		e.TableID = a.TableID
	case *catalog.Measure:
		d.fillCommon(&e, &a.Common)
		e.TableID = a.TableID
	case *catalog.Snippet:
		d.fillCommon(&e, &a.Common)
	case *catalog.Subscription:
		d.fillCommon(&e, &a.Common)
		e.DashboardID, e.CollectionID = a.DashboardID, a.CollectionID
		fillDeliveries(&e, a.Deliveries)
	case *catalog.Alert:
		d.fillCommon(&e, &a.Common)
		e.QuestionID = a.QuestionID
		fillDeliveries(&e, a.Deliveries)
	case *catalog.Transform:
		d.fillCommon(&e, &a.Common)
		e.DatabaseID, e.QueryLanguage = a.Query.DatabaseID, a.Query.Language
		if a.TargetTable != "" {
			e.TableID = catalog.TableID(a.TargetDatabase, a.TargetSchema, a.TargetTable)
		}
	case *catalog.Action:
		d.fillCommon(&e, &a.Common)
		e.DatabaseID, e.QuestionID, e.Type, e.Public = a.DatabaseID, a.ModelID, a.Type, a.Public
	case *catalog.Document:
		d.fillCommon(&e, &a.Common)
	case *catalog.Group:
		d.fillCommon(&e, &a.Common)
		n := a.Members
		e.Members, e.Type = &n, a.Magic
	case *catalog.Person:
		d.fillCommon(&e, &a.Common)
		e.Active = a.Active
	}
	return e
}

func (d *document) fillCommon(e *assetEntry, c *catalog.Common) {
	e.Description = c.Description
	e.CreatorID = c.CreatorID
	if p := d.index.Person(c.CreatorID); p != nil {
		e.Creator = p.Name
	}
	if !c.CreatedAt.IsZero() {
		e.CreatedAt = c.CreatedAt.UTC()
	}
}

func fillEdited(e *assetEntry, edited catalog.Edited) {
	e.LastEditorID = edited.LastEditorID
	if !edited.LastEditedAt.IsZero() {
		e.LastEditedAt = edited.LastEditedAt.UTC()
	}
}

func fillDeliveries(e *assetEntry, deliveries []catalog.Delivery) {
	recipients, enabled := 0, false
	for _, d := range deliveries {
		recipients += d.Recipients
		e.ExternalRecipients += d.ExternalRecipients
		enabled = enabled || d.Enabled
	}
	e.Recipients, e.Enabled = &recipients, &enabled
}

func parameterNames(parameters []catalog.Parameter) []string {
	var names []string
	for _, p := range parameters {
		names = append(names, p.Name)
	}
	return names
}

func (d *document) column(t *catalog.Table, c *catalog.Column) assetEntry {
	return assetEntry{
		Kind: catalog.KindColumn, ID: c.ID, Name: c.Name, URL: d.index.URL(c.Ref()),
		DatabaseID: t.DatabaseID, Schema: t.Schema, Table: t.Name, TableID: t.ID, ParentID: c.ParentID,
		Description: c.Description, DisplayName: c.DisplayName, MetabaseID: c.MetabaseID,
		Inactive: c.Inactive, Visibility: c.Visibility,
		BaseType: c.BaseType, EffectiveType: c.EffectiveType, DatabaseType: c.DatabaseType,
		SemanticType: c.SemanticType, PrimaryKey: c.PrimaryKey, FKTargetID: c.FKTargetID,
	}
}
