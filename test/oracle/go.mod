module github.com/metalens/metalens/test/oracle

go 1.26.0

require (
	github.com/metalens/metalens v0.0.0-00010101000000-000000000000
	github.com/sqlc-dev/darkwing v0.2.0
	github.com/sqlc-dev/doubleclick v1.0.0
	github.com/sqlc-dev/marino v0.3.1
	github.com/sqlc-dev/meyer v0.1.2
	github.com/sqlc-dev/oliphant v0.2.0
	github.com/sqlc-dev/teesql v1.1.0
	github.com/sqlc-dev/zetajones v0.2.0
)

require (
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace github.com/metalens/metalens => ../..
