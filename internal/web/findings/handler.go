package findings

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Assets names assets of the last scan. It is what the pages need of the
// catalog.
type Assets interface {
	// AssetNames returns the names of assets by reference; unknown ones are
	// missing. It answers errs.NotFound when no scan has succeeded.
	AssetNames(ctx context.Context, org store.OrgID, conn store.ConnectionID, refs []catalog.Ref) (map[catalog.Ref]string, error)
	// AssetSQL returns the SQL of an asset, "" when it has none.
	AssetSQL(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (string, error)
	// AssetURL returns the address of an asset in Metabase, "" when it has none.
	AssetURL(ctx context.Context, org store.OrgID, conn store.ConnectionID, r catalog.Ref) (string, error)
}

// Scans says whether there is anything to look at.
type Scans interface {
	// LatestScan returns the last succeeded scan; errs.NotFound when there is none.
	LatestScan(ctx context.Context, org store.OrgID, conn store.ConnectionID) (store.Scan, error)
}

// Handlers answers the addresses of findings.
type Handlers struct {
	service Service
	checks  Checks
	assets  Assets
	scans   Scans
}

// New returns the handlers.
func New(service Service, checks Checks, assets Assets, scans Scans) *Handlers {
	return &Handlers{service: service, checks: checks, assets: assets, scans: scans}
}

// List shows the findings that the address asks for.
func (h *Handlers) List(q *page.Request) error {
	if _, err := h.scans.LatestScan(q.Context(), q.Org(), q.Conn.ID); errs.KindOf(err) == errs.NotFound {
		return q.Page(http.StatusOK, "Findings", "findings", unscannedPage(q.Base()))
	} else if err != nil {
		return err
	}
	view, err := h.list(q, readFilter(q.R.URL.Query()))
	if err != nil {
		return err
	}
	if target, ok := q.Fragment(); ok && target == "results" {
		q.W.Header().Set("HX-Push-Url", view.Here)
		return q.Render(http.StatusOK, resultsPart(view))
	}
	return q.Page(http.StatusOK, "Findings", "findings", listPage(view, nil), page.Wide())
}

// Show shows one finding beside the list it was opened from.
func (h *Handlers) Show(q *page.Request) error {
	detail, err := h.detail(q)
	if err != nil {
		return err
	}
	if target, ok := q.Fragment(); ok && target == "detail" {
		return q.Render(http.StatusOK, detailPart(detail))
	}
	view, err := h.list(q, detail.filter)
	if err != nil {
		return err
	}
	view.open(detail.Fingerprint)
	return q.Page(http.StatusOK, detail.Title, "findings", listPage(view, &detail), page.Wide())
}

func (h *Handlers) title(check string) string {
	if c, ok := h.checks.Check(check); ok {
		return c.Title
	}
	return ui.Clean(check)
}

func (h *Handlers) list(q *page.Request, f filter) (listView, error) {
	view := listView{
		Base: q.Base(), Path: q.Base() + "/findings", filter: f, May: q.Viewer.May(store.RoleEditor), Now: q.Now,
		Here: ui.Address(q.Base()+"/findings", f.query),
	}
	ask := f.ask(q.Conn.ID, q.Viewer.User)
	// Counts per check, over everything but the choice of checks: they fill the
	// filter and tell what is shown as one line.
	wide := ask
	wide.Checks = nil
	groups, err := h.service.FindingGroups(q.Context(), q.Org(), wide, ByCheck)
	if err != nil {
		return view, err
	}
	for _, g := range groups {
		view.ByCheck = append(view.ByCheck, checkCount{ID: g.Key, Title: h.title(g.Key), Count: g.Count, Chosen: f.has("check", g.Key)})
	}
	slices.SortFunc(view.ByCheck, func(a, b checkCount) int { return strings.Compare(a.ID, b.ID) })
	places, err := h.places(q, f)
	if err != nil {
		return view, err
	}
	view.Chips = f.chips(view.Path, h.title, places)
	if f.group != "" {
		return view, h.grouped(q, ask, &view)
	}
	if err := h.aggregate(q, groups, &ask, &view); err != nil {
		return view, err
	}
	records, total, err := h.service.Findings(q.Context(), q.Org(), ask)
	if err != nil {
		return view, err
	}
	for _, r := range records {
		view.Rows = append(view.Rows, h.row(r, q))
	}
	view.Pager = ui.Pages(view.Path, f.query, len(records), total, "finding", "findings")
	return view, nil
}

// aggregateFrom is the least number of findings that may be shown as one line;
// whether a check is aggregated was decided when it ran.
const aggregateFrom = 20

// aggregate takes checks that fired on a large share of their assets out of the
// list and shows each as one line, unless the reader asked for it by name.
func (h *Handlers) aggregate(q *page.Request, groups []Group, ask *Query, view *listView) error {
	if len(ask.Checks) > 0 || !ask.Asset.IsZero() {
		return nil
	}
	var rest []string
	for _, g := range groups {
		aggregated := false
		if g.Count >= aggregateFrom {
			one := *ask
			one.Checks, one.Limit, one.Offset = []string{g.Key}, 1, 0
			records, _, err := h.service.Findings(q.Context(), q.Org(), one)
			if err != nil {
				return err
			}
			aggregated = len(records) > 0 && records[0].Aggregated
		}
		if !aggregated {
			rest = append(rest, g.Key)
			continue
		}
		line := aggregateRow{Check: g.Key, Title: h.title(g.Key), Count: g.Count, Severity: g.Severity, Href: ui.Address(view.Path, ui.With(view.query, "check", g.Key))}
		if c, ok := h.checks.Check(g.Key); ok && len(c.Kinds) == 1 {
			line.Noun = ui.KindCount(g.Count, c.Kinds[0])
		} else {
			line.Noun = ui.Count(g.Count, "item", "items")
		}
		view.Aggregates = append(view.Aggregates, line)
	}
	if len(view.Aggregates) == 0 {
		return nil
	}
	if rest == nil {
		rest = []string{"none"} // everything is aggregated: the list itself is empty
	}
	ask.Checks = rest
	return nil
}

func (h *Handlers) grouped(q *page.Request, ask Query, view *listView) error {
	groups, err := h.service.FindingGroups(q.Context(), q.Org(), ask, view.group)
	if err != nil {
		return err
	}
	offset := ui.Offset(view.query)
	end := min(len(groups), offset+ui.PerPage)
	for _, g := range groups[min(offset, end):end] {
		row := groupRow{Title: g.Title, Count: g.Count, Severity: g.Severity, Views: g.Views}
		narrow := ui.Without(view.query, "group", "")
		switch view.group {
		case ByCheck:
			row.Title, row.Code = h.title(g.Key), g.Key
			narrow = ui.With(narrow, "check", g.Key)
		case ByAsset:
			if kind, _, ok := strings.Cut(g.Key, ":"); ok {
				row.Kind = catalog.Kind(kind)
			}
			narrow = ui.With(narrow, "asset", g.Key)
		case ByCollection:
			row.Kind = catalog.KindCollection
			if g.Key == "" {
				row.Title = "In no collection"
				break
			}
			narrow = ui.With(narrow, "collection", g.Key)
		case BySeverity:
			row.Title = ui.SeverityName(g.Severity)
			narrow = ui.With(narrow, "severity", g.Key)
		}
		row.Href = ui.Address(view.Path, narrow)
		view.Groups = append(view.Groups, row)
	}
	view.Pager = ui.Pages(view.Path, view.query, len(view.Groups), len(groups), "group", "groups")
	return nil
}

// places names what the filter points at.
func (h *Handlers) places(q *page.Request, f filter) (map[string]string, error) {
	var refs []catalog.Ref
	if f.collection != "" {
		refs = append(refs, catalog.Ref{Kind: catalog.KindCollection, ID: f.collection})
	}
	if !f.asset.IsZero() {
		refs = append(refs, f.asset)
	}
	if len(refs) == 0 {
		return nil, nil //nolint:nilnil // nothing to name
	}
	names, err := h.assets.AssetNames(q.Context(), q.Org(), q.Conn.ID, refs)
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return nil, err
	}
	places := map[string]string{}
	for r, name := range names {
		places[r.String()] = name
		if r.Kind == catalog.KindCollection {
			places[r.ID] = name
		}
	}
	return places, nil
}

func (h *Handlers) row(r store.FindingRecord, q *page.Request) row {
	return row{
		Fingerprint: r.Fingerprint, Title: h.title(r.Check), Message: r.Message, Severity: r.Severity, Asset: r.Asset, Name: r.AssetName, Path: r.AssetPath,
		Views: r.Views, Since: r.FirstSeenAt, Mine: r.Assignee != "" && r.Assignee == q.Viewer.User, Taken: r.Assignee != "", State: string(r.State),
		Href: ui.Address(q.Base()+"/findings/"+ui.EscapeID(r.Fingerprint), readFilter(q.R.URL.Query()).query),
	}
}

func (h *Handlers) detail(q *page.Request) (detailView, error) {
	record, events, err := h.service.Finding(q.Context(), q.Org(), q.Conn.ID, ui.UnescapeID(q.R.PathValue("fingerprint")))
	if err != nil {
		return detailView{}, err
	}
	f := readFilter(q.R.URL.Query())
	v := detailView{
		row: h.row(record, q), filter: f, Record: record, Base: q.Base(), Check: record.Check, Confidence: confidenceWords(record.Confidence),
		May: q.Viewer.May(store.RoleEditor), Now: q.Now, Remediation: record.Remediation,
		Back: ui.Address(q.Base()+"/findings", f.query), Here: ui.Address(q.Base()+"/findings/"+ui.EscapeID(record.Fingerprint), f.query),
	}
	if q.Chat() {
		v.Ask = []ui.AskLink{{Label: "Ask about this", Href: ui.ChatPath(q.Base(), "finding:"+record.Fingerprint, v.Title+": "+ui.Name(record.AssetName))}}
	}
	if c, ok := h.checks.Check(record.Check); ok {
		v.Why, v.Family = c.Why, c.Family
		if v.Remediation == "" {
			v.Remediation = c.Remediation
		}
	}
	if v.External, err = h.assets.AssetURL(q.Context(), q.Org(), q.Conn.ID, record.Asset); err != nil && errs.KindOf(err) != errs.NotFound {
		return v, err
	}
	if len(record.Evidence.Spans) > 0 {
		if v.SQL, err = h.assets.AssetSQL(q.Context(), q.Org(), q.Conn.ID, record.Asset); err != nil && errs.KindOf(err) != errs.NotFound {
			return v, err
		}
	}
	names, err := h.assets.AssetNames(q.Context(), q.Org(), q.Conn.ID, record.Evidence.Related)
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return v, err
	}
	for _, r := range record.Evidence.Related {
		name, known := names[r]
		v.Related = append(v.Related, related{Ref: r, Name: name, Known: known})
	}
	v.facts(record.Evidence)
	for _, e := range events {
		v.Events = append(v.Events, event{At: e.At, What: eventWords(e), Mine: e.By != "" && e.By == q.Viewer.User, By: e.By != "", Detail: e.Detail})
	}
	return v, nil
}

// NotEvaluated lists what the last scan could not judge, by reason.
func (h *Handlers) NotEvaluated(q *page.Request) error {
	list, err := h.service.NotEvaluated(q.Context(), q.Org(), q.Conn.ID)
	if err != nil {
		return err
	}
	refs := make([]catalog.Ref, 0, len(list))
	for _, n := range list {
		if !n.Asset.IsZero() {
			refs = append(refs, n.Asset)
		}
	}
	names, err := h.assets.AssetNames(q.Context(), q.Org(), q.Conn.ID, refs)
	if err != nil && errs.KindOf(err) != errs.NotFound {
		return err
	}
	return q.Page(http.StatusOK, "Not evaluated", "findings", notEvaluatedPage(notEvaluatedOf(q.Base(), list, names, h.title)))
}

// maxBulk is how many findings one form may move.
const maxBulk = 500

func fingerprints(r *http.Request) ([]string, error) {
	if err := r.ParseForm(); err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "bad_form", "The form could not be read.", "Reload the page and try again.")
	}
	list := slices.Clone(r.PostForm["fp"])
	slices.Sort(list)
	list = slices.Compact(list)
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" || len(s) > 200 })
	if len(list) == 0 {
		return nil, errs.New(errs.Invalid, "nothing_selected", "No finding is selected.", "Go back and tick at least one.")
	}
	if len(list) > maxBulk {
		return nil, errs.New(errs.Invalid, "too_many", "More than 500 findings are selected.", "Ignore them in smaller portions, or switch the check off.")
	}
	return list, nil
}

func (h *Handlers) back(q *page.Request) error {
	return q.Redirect(page.Local(q.R.PostFormValue("next"), q.Base()+"/findings"))
}

const maxNote = 500

// Ignore sets findings aside with a reason and an expiry.
func (h *Handlers) Ignore(q *page.Request) error {
	list, err := fingerprints(q.R)
	if err != nil {
		return err
	}
	reason := ignoreReasons[q.R.PostFormValue("reason")]
	note := ui.Clip(strings.TrimSpace(ui.Clean(q.R.PostFormValue("note"))), maxNote)
	switch {
	case reason == "" && note == "":
		return errs.New(errs.Invalid, "no_reason", "A finding is ignored with a reason.", "Go back and choose one.")
	case reason == "":
		reason = note
	case note != "":
		reason += ": " + note
	}
	until := time.Time{}
	words := "until somebody takes that back"
	if days := ignoreDays[q.R.PostFormValue("for")]; days > 0 {
		until = q.Now.AddDate(0, 0, days)
		words = "until " + ui.Day(until)
	}
	n, err := h.service.Ignore(q.Context(), q.Org(), q.Conn.ID, q.Viewer.User, list, reason, until)
	if err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "Ignored " + ui.Count(n, "finding", "findings") + " " + words + ".", Undo: h.undo(q, "unignore", list)})
	return h.back(q)
}

func (h *Handlers) undo(q *page.Request, action string, list []string) *ui.Undo {
	return &ui.Undo{
		Action: q.Base() + "/findings/" + action, Label: "Undo", Values: list,
		Fields: map[string]string{"next": page.Local(q.R.PostFormValue("next"), q.Base()+"/findings")},
	}
}

// Unignore takes findings back.
func (h *Handlers) Unignore(q *page.Request) error {
	list, err := fingerprints(q.R)
	if err != nil {
		return err
	}
	n, err := h.service.Unignore(q.Context(), q.Org(), q.Conn.ID, q.Viewer.User, list)
	if err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: ui.Count(n, "finding is", "findings are") + " open again."})
	return h.back(q)
}

// Assign gives findings to the viewer, or to nobody.
func (h *Handlers) Assign(q *page.Request) error {
	list, err := fingerprints(q.R)
	if err != nil {
		return err
	}
	to, text := q.Viewer.User, " assigned to you."
	if q.R.PostFormValue("to") == "nobody" {
		to, text = "", " no longer assigned."
	}
	n, err := h.service.Assign(q.Context(), q.Org(), q.Conn.ID, q.Viewer.User, to, list)
	if err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: ui.Count(n, "finding is", "findings are") + text})
	return h.back(q)
}

func confidenceWords(c finding.Confidence) string {
	switch c {
	case finding.Certain:
		return "Certain"
	case finding.Likely:
		return "Likely"
	}
	return "Possible"
}
