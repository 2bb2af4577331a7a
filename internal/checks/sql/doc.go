// Package sql holds the checks of native SQL: what is wrong in a query, what
// makes it slow, and what will make it wrong one day.
//
// What a query says is read once by package sqllint for all of them; a check
// here chooses one rule, says what it means and reports one finding for each
// query, with every place in the SQL.
package sql
