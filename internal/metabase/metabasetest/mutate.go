package metabasetest

import (
	"slices"
	"time"
)

// Between two scans content changes. Each of these sets updated_at and
// last-edit-info as Metabase does; an editor of 0 is the creator. They report
// nothing when the id does not exist, as a test would notice by its result.

// EditCard changes a card as a person saving it would.
func (s *Server) EditCard(id, editor int, change func(*Card)) {
	s.Update(func(w *World) { w.EditCard(id, editor, s.now(), change) })
}

// EditCard changes a card as a person saving it would.
func (w *World) EditCard(id, editor int, at time.Time, change func(*Card)) {
	c := w.Card(id)
	if c == nil {
		return
	}
	change(c)
	c.UpdatedAt, c.EditedAt = at, at
	c.EditorID = editor
	if editor == 0 {
		c.EditorID = c.CreatorID
	}
}

// RenameCard gives a card another name.
func (s *Server) RenameCard(id int, name string) {
	s.EditCard(id, 0, func(c *Card) { c.Name = name })
}

// RefreshCard does what a metadata refresh does: updated_at moves, nothing else.
func (s *Server) RefreshCard(id int) {
	s.Update(func(w *World) {
		if c := w.Card(id); c != nil {
			c.UpdatedAt = s.now()
		}
	})
}

// ArchiveCard moves a card to the trash; its alerts are deleted with it.
func (s *Server) ArchiveCard(id int) {
	s.Update(func(w *World) {
		w.EditCard(id, 0, s.now(), func(c *Card) { c.Archived, c.ArchivedDirectly = true, true })
		w.Alerts = slices.DeleteFunc(w.Alerts, func(a *Alert) bool { return a.CardID == id })
	})
}

// RestoreCard takes a card out of the trash.
func (s *Server) RestoreCard(id int) {
	s.EditCard(id, 0, func(c *Card) { c.Archived, c.ArchivedDirectly = false, false })
}

// DeleteCard removes a card for good, and the tiles that showed it.
func (s *Server) DeleteCard(id int) {
	s.Update(func(w *World) {
		delete(w.cards, id)
		w.Cards = slices.DeleteFunc(w.Cards, func(c *Card) bool { return c.ID == id })
		w.Alerts = slices.DeleteFunc(w.Alerts, func(a *Alert) bool { return a.CardID == id })
		for _, d := range w.Dashboards {
			d.Cards = slices.DeleteFunc(d.Cards, func(dc *Dashcard) bool { return dc.CardID == id })
		}
		w.usedBy.Store(nil)
	})
}

// AddCard adds a card now.
func (s *Server) AddCard(c *Card) *Card {
	s.Update(func(w *World) {
		if c.CreatedAt.IsZero() {
			c.CreatedAt = s.now()
		}
		w.AddCard(c)
	})
	return c
}

// EditDashboard changes a dashboard as a person saving it would. Tiles and tabs
// that were added get their ids.
func (s *Server) EditDashboard(id, editor int, change func(*Dashboard)) {
	s.Update(func(w *World) { w.EditDashboard(id, editor, s.now(), change) })
}

// EditDashboard changes a dashboard as a person saving it would.
func (w *World) EditDashboard(id, editor int, at time.Time, change func(*Dashboard)) {
	d := w.Dashboard(id)
	if d == nil {
		return
	}
	change(d)
	d.UpdatedAt, d.EditedAt = at, at
	d.EditorID = editor
	if editor == 0 {
		d.EditorID = d.CreatorID
	}
	for _, t := range d.Tabs {
		if t.ID == 0 {
			t.ID = w.take("tab", 0)
			w.entity("tab", t.ID, &t.EntityID)
		}
	}
	for _, dc := range d.Cards {
		if dc.ID == 0 {
			dc.CreatedAt = at
			w.addDashcard(d, dc)
		}
	}
	w.usedBy.Store(nil)
}

// ArchiveDashboard moves a dashboard and the questions inside it to the trash;
// its subscriptions are deleted.
func (s *Server) ArchiveDashboard(id int) {
	s.Update(func(w *World) {
		w.EditDashboard(id, 0, s.now(), func(d *Dashboard) { d.Archived, d.ArchivedDirectly = true, true })
		for _, c := range w.Cards {
			if c.DashboardID == id {
				c.Archived = true
			}
		}
		w.Subscriptions = slices.DeleteFunc(w.Subscriptions, func(s *Subscription) bool { return s.DashboardID == id })
	})
}

// AddDashboard adds a dashboard now.
func (s *Server) AddDashboard(d *Dashboard) *Dashboard {
	s.Update(func(w *World) {
		if d.CreatedAt.IsZero() {
			d.CreatedAt = s.now()
		}
		w.AddDashboard(d)
	})
	return d
}

// View opens a dashboard as a person would: counters and last use of it and its
// cards move, no definition does.
func (s *Server) View(dashboard int) {
	s.Update(func(w *World) {
		d := w.Dashboard(dashboard)
		if d == nil {
			return
		}
		now := s.now()
		d.ViewCount++
		d.LastViewedAt = now
		for _, dc := range d.Cards {
			if c := w.Card(dc.CardID); c != nil {
				c.ViewCount++
				c.LastUsedAt = now
			}
		}
	})
}

// DropColumn makes a column inactive, as a sync after a dropped column does.
func (s *Server) DropColumn(field int) {
	s.Update(func(w *World) {
		if f := w.Field(field); f != nil {
			f.Inactive = true
			f.UpdatedAt = s.now()
		}
	})
}

// RenameColumn does what a sync sees of a renamed column: the old one turns
// inactive, a new one with another id appears. It returns the new one.
func (s *Server) RenameColumn(field int, name string) *Field {
	var fresh *Field
	s.Update(func(w *World) {
		f := w.Field(field)
		if f == nil {
			return
		}
		f.Inactive = true
		f.UpdatedAt = s.now()
		clone := *f
		clone.ID, clone.Name, clone.DisplayName, clone.Inactive = 0, name, "", false
		fresh = w.AddField(w.Table(f.TableID), &clone)
	})
	return fresh
}

// DropTable makes a table inactive.
func (s *Server) DropTable(table int) {
	s.Update(func(w *World) {
		if t := w.Table(table); t != nil {
			t.Inactive = true
			t.UpdatedAt = s.now()
		}
	})
}

// RenameTable does what a sync sees of a renamed table: the old one turns
// inactive, a new one with other ids appears. It returns the new one.
func (s *Server) RenameTable(table int, name string) *Table {
	var fresh *Table
	s.Update(func(w *World) {
		t := w.Table(table)
		if t == nil {
			return
		}
		t.Inactive = true
		t.UpdatedAt = s.now()
		clone := &Table{
			DatabaseID: t.DatabaseID, Schema: t.Schema, Name: name, Description: t.Description,
			Visibility: t.Visibility, EntityType: t.EntityType, Rows: t.Rows, CreatedAt: s.now(),
		}
		for _, f := range t.Fields {
			if f.Inactive {
				continue
			}
			column := *f
			column.ID = 0
			clone.Fields = append(clone.Fields, &column)
		}
		fresh = w.AddTable(clone)
	})
	return fresh
}

// Deactivate switches a person's account off.
func (s *Server) Deactivate(person int) {
	s.Update(func(w *World) {
		if p := w.Person(person); p != nil {
			p.Inactive = true
		}
	})
}

// EditSome edits every n-th unarchived card and dashboard in a small way (a
// description, and a comment in SQL), for rescans of which a share changed. It
// returns how many of each it touched.
func (s *Server) EditSome(every int) (cards, dashboards int) {
	s.Update(func(w *World) {
		at := s.now()
		for i, c := range w.Cards {
			if c.Archived || i%every != 0 {
				continue
			}
			cards++
			w.EditCard(c.ID, 0, at, func(c *Card) {
				c.Description = "Reviewed " + at.Format(time.DateOnly)
				if c.Query.IsNative() {
					q := *c.Query
					q.Stages = slices.Clone(q.Stages)
					q.Stages[0].SQL = "-- reviewed " + at.Format(time.DateOnly) + "\n" + q.Stages[0].SQL
					c.Query = &q
				}
			})
		}
		for i, d := range w.Dashboards {
			if d.Archived || i%every != 0 {
				continue
			}
			dashboards++
			w.EditDashboard(d.ID, 0, at, func(d *Dashboard) { d.Description = "Reviewed " + at.Format(time.DateOnly) })
		}
	})
	return cards, dashboards
}
