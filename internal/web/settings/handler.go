package settings

import (
	"errors"
	"net/http"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/members"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Handlers answers the addresses of settings and invitations.
type Handlers struct {
	auth    *auth.Service
	members Members
	mail    Mail
}

// New returns the handlers.
func New(accounts *auth.Service, m Members, post Mail) *Handlers {
	return &Handlers{auth: accounts, members: m, mail: post}
}

type generalView struct {
	members.Overview
	Admin, Owner bool
	Role         string
	Value        string // of the name's field
	Problem      string
	Now          time.Time
}

// General shows the organization.
func (h *Handlers) General(q *page.Request) error { return h.general(q, http.StatusOK, "", "") }

func (h *Handlers) general(q *page.Request, status int, name, problem string) error {
	o, err := h.members.Overview(q.Context(), q.Org())
	if err != nil {
		return err
	}
	v := generalView{
		Overview: o, Admin: q.Viewer.May(store.RoleAdmin), Owner: q.Viewer.May(store.RoleOwner), Role: string(q.Viewer.Role),
		Value: o.Name, Problem: problem, Now: q.Now,
	}
	if problem != "" {
		v.Value = name
	}
	return Page(q, status, "general", "Settings", generalPage(v))
}

// Rename gives the organization another name.
func (h *Handlers) Rename(q *page.Request) error {
	name := q.R.PostFormValue("name")
	err := h.members.Rename(q.Context(), q.Org(), name)
	if errs.KindOf(err) == errs.Invalid {
		text, _ := errs.PublicText(err)
		return h.general(q, http.StatusUnprocessableEntity, name, text)
	}
	if err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "Renamed."})
	return q.Redirect("/settings")
}

type memberRow struct {
	store.Member
	You       bool
	Removable bool         // by the viewer
	Roles     []store.Role // that the viewer may give; empty: the role stands
}

type invitationRow struct {
	store.Invitation
	Expired  bool
	Editable bool
}

type inviteForm struct {
	Email   string
	Role    store.Role
	Problem string
}

type membersView struct {
	Rows        []memberRow
	Invitations []invitationRow
	Admin       bool
	Roles       []store.Role
	Form        inviteForm
	Issued      *members.Issued // just now: its link is shown once
	Link        string
	Mails       bool
	Now         time.Time
}

// Members lists who belongs to the organization.
func (h *Handlers) Members(q *page.Request) error {
	return h.list(q, http.StatusOK, inviteForm{Role: store.RoleViewer}, nil)
}

func (h *Handlers) list(q *page.Request, status int, form inviteForm, issued *members.Issued) error {
	l, err := h.members.List(q.Context(), q.Org())
	if err != nil {
		return err
	}
	v := membersView{Admin: q.Viewer.May(store.RoleAdmin), Form: form, Issued: issued, Mails: l.Mails, Now: q.Now}
	owner := q.Viewer.May(store.RoleOwner)
	owners := 0
	for _, m := range l.Members {
		if m.Role == store.RoleOwner {
			owners++
		}
	}
	v.Roles = given(owner)
	for _, m := range l.Members {
		row := memberRow{Member: m, You: m.User == q.Viewer.User}
		last := m.Role == store.RoleOwner && owners == 1
		if v.Admin && !last && (owner || m.Role != store.RoleOwner) {
			row.Removable = !row.You
			for _, r := range given(owner) {
				if !row.You || r.Rank() <= m.Role.Rank() {
					row.Roles = append(row.Roles, r)
				}
			}
		}
		v.Rows = append(v.Rows, row)
	}
	for _, i := range l.Invitations {
		v.Invitations = append(v.Invitations, invitationRow{Invitation: i, Expired: !q.Now.Before(i.ExpiresAt), Editable: owner || i.Role != store.RoleOwner})
	}
	if issued != nil {
		v.Link = absolute(q, issued.Link)
	}
	return Page(q, status, "members", "Members", membersPage(v))
}

// given lists the roles that an admin or an owner may give.
func given(owner bool) []store.Role {
	list := []store.Role{store.RoleViewer, store.RoleEditor, store.RoleAdmin}
	if owner {
		list = append(list, store.RoleOwner)
	}
	return list
}

// absolute completes a path with the address that the page was asked under.
func absolute(q *page.Request, link string) string {
	if page.Local(link, "") == "" {
		return link
	}
	scheme := "http://"
	if q.R.TLS != nil || q.Secure() {
		scheme = "https://"
	}
	return scheme + q.R.Host + link
}

// Invite makes an invitation and shows its link, this once.
func (h *Handlers) Invite(q *page.Request) error {
	form := inviteForm{Email: q.R.PostFormValue("email"), Role: store.Role(q.R.PostFormValue("role"))}
	issued, err := h.members.Invite(q.Context(), q.Org(), members.Invite{Email: form.Email, Role: form.Role})
	switch errs.KindOf(err) {
	case "":
		return h.list(q, http.StatusOK, inviteForm{Role: store.RoleViewer}, &issued)
	case errs.Invalid, errs.Conflict, errs.Limited:
		text, hint := errs.PublicText(err)
		form.Problem = text + " " + hint
		return h.list(q, errs.HTTPStatus(err), form, nil)
	}
	return err
}

// Resend makes a new link for an invitation.
func (h *Handlers) Resend(q *page.Request) error {
	issued, err := h.members.Resend(q.Context(), q.Org(), q.R.PathValue("invitation"))
	if err != nil {
		return err
	}
	return h.list(q, http.StatusOK, inviteForm{Role: store.RoleViewer}, &issued)
}

// RevokeInvitation takes an invitation back.
func (h *Handlers) RevokeInvitation(q *page.Request) error {
	if err := h.members.Revoke(q.Context(), q.Org(), q.R.PathValue("invitation")); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "Invitation revoked. Its link is good for nothing now."})
	return q.Redirect("/settings/members")
}

// SetRole changes what a member may do.
func (h *Handlers) SetRole(q *page.Request) error {
	user, role := store.UserID(q.R.PathValue("user")), store.Role(q.R.PostFormValue("role"))
	if err := h.members.SetRole(q.Context(), q.Org(), user, role); err != nil {
		return h.refuse(q, err)
	}
	if user == q.Viewer.User {
		if err := h.auth.Rotate(q.R, q.Viewer, q.Addr()); err != nil {
			return err
		}
	}
	q.Flash(ui.Flash{Text: "Role changed. It holds from now on."})
	return q.Redirect("/settings/members")
}

// refuse says on the list what the rules do not allow.
func (h *Handlers) refuse(q *page.Request, err error) error {
	if errs.KindOf(err) != errs.Conflict {
		return err
	}
	text, hint := errs.PublicText(err)
	q.Flash(ui.Flash{Text: text + " " + hint, Bad: true})
	return q.Redirect("/settings/members")
}

type removeView struct {
	User  store.UserID
	Name  string
	Email string
	Self  bool
	Org   string
}

// ConfirmRemove asks before a member goes.
func (h *Handlers) ConfirmRemove(q *page.Request) error {
	l, err := h.members.List(q.Context(), q.Org())
	if err != nil {
		return err
	}
	for _, m := range l.Members {
		if string(m.User) == q.R.PathValue("user") {
			return Page(q, http.StatusOK, "members", "Remove a member", removePage(removeView{User: m.User, Name: m.Name, Email: m.Email}))
		}
	}
	return page.NotFound()
}

// Remove ends a membership.
func (h *Handlers) Remove(q *page.Request) error {
	if err := h.members.Remove(q.Context(), q.Org(), store.UserID(q.R.PathValue("user"))); err != nil {
		return h.refuse(q, err)
	}
	q.Flash(ui.Flash{Text: "Removed. Their sessions have ended."})
	return q.Redirect("/settings/members")
}

// ConfirmLeave asks before the viewer goes.
func (h *Handlers) ConfirmLeave(q *page.Request) error {
	o, err := h.members.Overview(q.Context(), q.Org())
	if err != nil {
		return err
	}
	return Page(q, http.StatusOK, "members", "Leave the organization", removePage(removeView{Self: true, Org: o.Name}))
}

// Leave ends the viewer's own membership.
func (h *Handlers) Leave(q *page.Request) error {
	if err := h.members.Leave(q.Context(), q.Org()); err != nil {
		return h.refuse(q, err)
	}
	return q.Redirect("/login")
}

// Mail shows how letters leave.
func (h *Handlers) Mail(q *page.Request) error { return h.showMail(q, http.StatusOK, mailView{}) }

type mailView struct {
	MailStatus
	To            string
	Sent          bool
	Problem, Hint string
}

func (h *Handlers) showMail(q *page.Request, status int, v mailView) error {
	v.MailStatus, v.To = h.mail.Status(), q.Viewer.Email
	return Page(q, status, "mail", "Mail", mailPage(v))
}

// TestMail sends a letter to the viewer's own address.
func (h *Handlers) TestMail(q *page.Request) error {
	err := h.mail.Test(q.Context(), q.Org(), q.Viewer.Email)
	if err == nil {
		return h.showMail(q, http.StatusOK, mailView{Sent: true})
	}
	var known *errs.Error
	if !errors.As(err, &known) || known.Kind == errs.Internal {
		return err
	}
	return h.showMail(q, errs.HTTPStatus(err), mailView{Problem: known.Public, Hint: known.Hint})
}
