package sqllens

import (
	"slices"
	"strings"
)

// verbs begin the statements that are passed unread, in any dialect. Words of
// scripts are among them.
var verbs = wordSet(`abort add alter analyze analyse apply assert attach audit backup batch begin break bulk cache call cancel
	case change check checkpoint checksum clear close cluster collect comment commit compute configure connect constraint continue
	convert copy create cursor database dbcc deallocate declare define delete deny desc describe detach disable discard disconnect
	do drop else elseif elsif enable end endif exception exchange exec execute exit explain export fetch finish flashback flush
	for forall force freeze from function generate get go goto grant handler help if import include insert install into iterate
	kill label leave let list listen load lock locking loop merge move msck noaudit no not notify open optimize option package
	pragma preload prepare print prior procedure prompt purge put quit raise raiserror read reassign rebuild recompress reconfigure
	recover refresh reindex release remove rename renew repair repeat replace reset resignal resume restart restore restrict return
	returns revert revoke rollback run save savepoint schedule security sel select set setvar show shutdown signal source spool
	start stop submit subscribe subtype summarize suspend swap switch sync synchronize system table tail terminate then throw
	transfer trigger truncate type uncache undrop unlisten unload unlock unset until update upgrade upsert use using utility vacuum
	validate values verify view wait waitfor when whenever while with write`)

// joiners stand behind the first word of an expression.
var joiners = wordSet(`and as asc at between collate desc div else end eq escape filter ge glob gt ignore ilike in is le like
	lt member mod ne not nulls or order over overlaps regexp respect rlike similar then to union when within xor`)

// stray reports whether what a text begins with is neither a statement nor an
// expression: prose, a misspelt verb, what a cut left over. Statements that no
// list knows are taken for one when a sign says so.
func (p *parser) stray(t *token) bool {
	if t.kind == tokOp {
		return slices.Contains([]string{")", "]", "}", ",", "[", "=", "|"}, t.text) && (t.text != "[" || p.peek(1).isOp("["))
	}
	next := p.peek(1)
	if t.kind != tokWord || next.kind != tokWord || verbs[strings.ToLower(t.text)] || joiners[strings.ToLower(next.text)] {
		return false
	}
	for i := p.pos; i < p.stmtEnd; i++ {
		if p.toks[i].isOp(":=") || p.toks[i].isOp(":") && p.toks[i+1].isOp("=") {
			return false // a script assigns
		}
	}
	return true
}
