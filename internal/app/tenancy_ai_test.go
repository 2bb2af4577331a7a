package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/chat"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/ui"
)

// said is what an agent is made to have said about an asset, with a text that only
// the first organization has.
func said(ref catalog.Ref, text string) json.RawMessage {
	raw, err := json.Marshal(agent.Output{Explanation: &agent.Explanation{Summary: []agent.Segment{{Text: text}}}, Rests: []catalog.Ref{ref}})
	if err != nil {
		panic(err) // our own values always marshal
	}
	return raw
}

// told writes a chat of two messages: a question, and an answer made from an asset.
func told(ctx context.Context, tx *store.Tx, c store.Chat, question, answer string, from ...catalog.Ref) (store.Chat, error) {
	c, err := tx.InsertChat(ctx, c)
	if err != nil {
		return c, err
	}
	for _, m := range []struct {
		role string
		body chat.Body
	}{{"user", chat.Body{Text: question}}, {"assistant", chat.Body{Text: answer, State: chat.Done, Told: from, Model: "zqamodel00001z", Exchanges: []string{"zqaexchange00001z"}}}} {
		raw, err := json.Marshal(m.body)
		if err != nil {
			return c, err
		}
		if _, err := tx.AddChatMessage(ctx, store.ChatMessage{Chat: c.ID, Role: m.role, Content: raw}); err != nil {
			return c, err
		}
	}
	return c, tx.SetChatMap(ctx, c.ID, json.RawMessage(`[{"placeholder":"ZQA_1","original":"zqaoriginal00001z","class":"string"}]`))
}

// fillAI gives the first organization settings and a key, a call with its cost, an
// output, and a chat that its author shares with everybody there.
func (m *matrix) fillAI() {
	m.t.Helper()
	viewer := m.a.users[store.RoleViewer]
	ref := catalog.Ref{Kind: catalog.KindQuestion, ID: m.ids["id"]}
	m.must(m.server.store.InOrg(m.system, m.a.org, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.SetAISettings(ctx, store.AISettings{Provider: "anthropic"}); err != nil {
			return err
		}
		if _, err := tx.SetAIKey(ctx, secret.New("sk-zqakey00001z")); err != nil {
			return err
		}
		call, err := tx.ReserveAICall(ctx, store.AICall{
			Agent: "zqaagent00001z", Provider: "anthropic", Model: "zqamodel00001z", Actor: viewer.ID, Subject: ref.String(), Reserved: store.AIBudget{Tokens: 100},
			SettleBy: m.server.env.Now().Add(time.Minute),
		}, func(store.AIBudget, store.AIBudget) error { return nil })
		if err != nil {
			return err
		}
		m.ids["call"] = call.ID
		call.Outcome, call.Tokens = "ok", store.AITokens{Input: 10, Output: 5}
		if err := tx.SettleAICall(ctx, call); err != nil {
			return err
		}
		for _, name := range []agent.Name{agent.Explainer, agent.Briefing} {
			subject := ref.String()
			if name == agent.Briefing {
				subject = agent.SubjectScan
			}
			if err := tx.PutAIOutput(ctx, store.AIOutput{Connection: m.a.conn, Agent: string(name), Subject: subject, Output: said(ref, "zqaoutput00001z"), Model: "zqamodel00001z"}); err != nil {
				return err
			}
		}
		c, err := told(ctx, tx, store.Chat{Connection: m.a.conn, User: viewer.ID, Shared: true, Title: "zqachat00001z", About: ref.String()}, "zqaquestion00001z", "zqaanswer00001z ["+ref.String()+"]", ref)
		m.ids["chat"] = c.ID
		return err
	}))
	m.ids["agent"], m.ids["seq"], m.ids["subject"] = string(agent.Explainer), "2", ref.String()
	for name, values := range map[string][]string{
		"question": {"What is zq?"}, "title": {"Taken over"}, "shared": {"1"}, "about": {ref.String()}, "again": {"1"}, "agent": {string(agent.Explainer)}, "database": {"1"}, "chat": {m.ids["chat"]}, "rule": {m.ids["rule"]},
	} {
		m.pairs[name] = values
	}
}

// sayAll lets agents have said something about every card and dashboard, and a
// member share a chat whose answers were made from them. It returns the pages that
// show all that; who may not see an asset must not learn its name from them.
func (p *place) sayAll(x *tenant, full *catalog.Index) (pages []string) {
	p.t.Helper()
	base := "/c/" + string(x.conn)
	pages = []string{base + "/chat", base + "/write", base + "/agents", base + "/assist/briefing/scan", base + "/assist/briefing/scan/sent"}
	const most = 80
	p.must(p.server.store.InOrg(p.system, x.org, func(ctx context.Context, tx *store.Tx) error {
		names := ""
		done := 0
		for a := range full.Snapshot().All() {
			r := a.Ref()
			if !r.Kind.IsCard() && r.Kind != catalog.KindDashboard || done == most {
				continue
			}
			done++
			names += a.Title() + ". "
			if err := tx.PutAIOutput(ctx, store.AIOutput{Connection: x.conn, Agent: string(agent.Explainer), Subject: r.String(), Output: said(r, "This is "+a.Title())}); err != nil {
				return err
			}
			c, err := told(ctx, tx, store.Chat{Connection: x.conn, User: x.users[store.RoleOwner].ID, Shared: true, Title: "Shared", About: r.String()}, "What is this?", a.Title()+" is ["+r.String()+"]", r)
			if err != nil {
				return err
			}
			one := base + "/chat/" + c.ID
			pages = append(pages, one, one+"/export.md", one+"/export.json", one+"/sent/2", base+"/assist/explainer/"+ui.EscapeID(r.String()), base+"/assist/explainer/"+ui.EscapeID(r.String())+"/sent")
		}
		whole, err := json.Marshal(agent.Output{Whole: true, Briefing: &agent.BriefingText{Sentences: [][]agent.Piece{{{Text: names}}}}})
		if err != nil {
			return err
		}
		return tx.PutAIOutput(ctx, store.AIOutput{Connection: x.conn, Agent: string(agent.Briefing), Subject: agent.SubjectScan, Output: whole})
	}))
	return pages
}
