package sqllens

import "strings"

// keywords are the words the grammar looks at. A word in this set may still be
// an identifier; the parser decides by place.
var keywords = func() map[string]string {
	list := strings.Fields(`
		select from where group by having order limit offset fetch first next row rows only ties with recursive
		as on using natural inner left right full outer cross join lateral apply union all distinct intersect except minus
		values table insert into update set delete merge matched then when else end case and or not in is null true false
		between like ilike rlike regexp glob similar to escape exists any some cast try_cast safe_cast convert try_convert extract
		interval over partition window range groups unbounded preceding following current exclude others no
		filter within respect ignore nulls last asc desc collate at time zone qualify sample tablesample
		pivot unpivot for xml json path match_recognize unnest flatten view materialized temporary temp create replace if
		drop alter truncate grant revoke returning default conflict do nothing overwrite
		rollup cube sets grouping connect start prior nocycle siblings level
		array struct map row prewhere final settings format global asof semi anti positional top percent
		straight_join force use index key ignore partitions
		begin declare exec execute call explain describe desc show analyze verbose commit rollback go print while loop
		return returns function procedure trigger language database schema
		copy pragma attach detach vacuum reindex lock unlock listen notify prepare deallocate
		div mod xor binary date timestamp datetime time isnull notnull
		current_date current_time current_timestamp localtime localtimestamp current_user session_user
		outputs include rename exclude by name corresponding
		cluster distribute sort bernoulli system ordinality model dimension measures
		share nowait skip locked of option offsets high_priority sql_no_cache sql_calc_found_rows sql_small_result sql_big_result
		substring trim position overlay leading trailing both
		if while repeat until cursor open close
		rename comment refresh optimize kill exchange system
		separator columns apply
		overlaps member
		change load unload
		unique constraint primary foreign references check
		versions timestamp
		year month day hour minute second quarter week
	`)
	m := make(map[string]string, len(list))
	for _, w := range list {
		m[w] = w
	}
	return m
}()

// reserved are the words that no dialect accepts as a bare alias, so that the
// parser may end an expression or a table at them.
var reserved = wordSet(`
	select from where group having order limit offset fetch union intersect except minus on using natural inner left right
	full cross join lateral as and or not in is null between like ilike rlike then when else end case with
	qualify window into set values returning for connect start tablesample prewhere
	straight_join outer apply semi anti asof collate distinct all pivot unpivot
	by cluster distribute sort settings format limit option if
`)

// reservedAlias are the words that cannot follow an expression as an alias
// without AS. It is smaller than reserved in places and larger in others.
var reservedAlias = wordSet(`
	select from where group having order limit offset fetch union intersect except minus on using natural inner left right
	full cross join lateral as and or not in is null between like ilike rlike regexp glob similar then when else end case with
	qualify window into returning for connect start prewhere straight_join outer apply
	collate cluster distribute sort bulk escape at over within filter respect ignore div mod xor isnull notnull
	asc desc nulls rows range groups
`)

// reservedTableAlias are the words that cannot be a table's alias without AS.
var reservedTableAlias = wordSet(`
	select from where group having order limit offset fetch union intersect except minus on using natural inner left right
	full cross join lateral as and or not in is null between then when else end case with
	qualify window into returning for connect start tablesample sample prewhere straight_join outer apply
	pivot unpivot match_recognize set values force use ignore semi anti asof positional global any cluster distribute sort settings format
	option final partition array when do go if exec execute declare insert update delete merge begin create drop alter
	print while return model global matched versions model
`)

func wordSet(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(list) {
		m[w] = true
	}
	return m
}
