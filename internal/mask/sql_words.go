package mask

import (
	"strings"
	"sync"
)

// words makes a set of a list.
func words(list string) func() map[string]bool {
	return sync.OnceValue(func() map[string]bool {
		m := map[string]bool{}
		for _, w := range strings.Fields(list) {
			m[w] = true
		}
		return m
	})
}

// structuralCall says from which argument on small numbers are structure.
type structuralCall struct {
	any  bool
	from int
}

// structuralCalls are functions whose small numbers say how and not what: places
// behind the point, positions in a text, numbers of groups, shares.
var structuralCalls = sync.OnceValue(func() map[string]structuralCall {
	m := map[string]structuralCall{}
	for from, list := range []string{
		"ntile percentile_cont percentile_disc quantile quantiles approx_quantile median_exact quantileexact quantiletdigest quantiletiming quantileif",
		`round trunc truncate substring substr left right mid split_part lag lead nth_value lpad rpad approx_percentile approx_quantiles
		percentile percentile_approx regexp_substr regexp_extract regexp_instr substring_index format_number to_decimal safe_divide convert try_convert
		instr charindex getdate splitbychar element_at list_extract array_element`,
	} {
		for _, w := range strings.Fields(list) {
			m[w] = structuralCall{true, from}
		}
	}
	return m
})

var typeNames = words(`varchar char nvarchar nchar character varchar2 nvarchar2 varbinary binary decimal numeric number dec float double real bit varbit
	timestamp timestamptz time timetz datetime datetime2 datetimeoffset datetime64 time64 decimal32 decimal64 decimal128 decimal256 fixedstring int tinyint
	smallint mediumint bigint integer string varying raw interval nullable lowcardinality array bignumeric year vector hstore text blob clob unsigned signed`)

// genericNames are parts of many names and tell nothing by themselves.
var genericNames = words(`name type code date time status state key value number text title note notes comment user account order group level city country
	amount total count year month day start end from the and for`)

// dateCalls take parts of dates and quantities of time.
var dateCalls = words(`datediff dateadd datepart datename date_trunc datetrunc date_part datetime_trunc timestamp_trunc time_trunc date_diff datetime_diff
	timestamp_diff time_diff date_add date_sub datediff_big timestampadd timestampdiff last_day trunc extract date_bucket datetime_add timestamp_add
	timestamp_sub datetime_sub time_add time_sub next_day add_months addmonths adddate subdate time_slice time_bucket date_bin tostartofinterval tointervalday
	adddays addweeks addyears addhours subtractdays subtractmonths subtractyears subtractweeks subtracthours months_between make_interval strftime eomonth
	numtodsinterval numtoyminterval round floor ceil date_floor date_ceil`)

// formatCalls take formats of dates and numbers.
var formatCalls = words(`to_char to_date to_timestamp to_number to_timestamp_tz to_timestamp_ntz to_time try_to_date try_to_timestamp to_varchar date_format
	time_format str_to_date strftime strptime format_date format_datetime format_timestamp format_time parse_date parse_datetime parse_timestamp parse_time
	formatdatetime parsedatetime parsedatetimebesteffort date_parse format convert try_convert from_unixtime unix_timestamp date_from_string to_unixtime
	dateformat tochar text formatdatetimeinjodasyntax try_strptime get_format to_utc_timestamp from_utc_timestamp format_number`)

// formatFirst take their format as the first argument.
var formatFirst = words(`format_date format_datetime format_timestamp format_time parse_date parse_datetime parse_timestamp parse_time strftime text`)

var zoneCalls = words(`timezone convert_timezone convert_tz from_utc_timestamp to_utc_timestamp at_timezone with_timezone totimezone todatetime date
	datetime timestamp extract timestamp_trunc datetime_trunc date_trunc format_timestamp parse_timestamp current_date current_datetime now
	formatdatetime todate tostartofday tostartofmonth from_unixtime parsedatetimebesteffort todatetime64 now64 string tostring time`)

// pathCalls take keys and paths of documents behind their first argument.
var pathCalls = words(`json_extract json_extract_scalar json_extract_array json_value json_query json_exists json_extract_path json_extract_path_text
	jsonb_extract_path jsonb_extract_path_text get_json_object json_unquote json_contains_path json_length json_keys jsonb_path_query jsonb_path_exists
	jsonextract jsonextractstring jsonextractint jsonextractuint jsonextractfloat jsonextractbool jsonextractraw jsonextractarrayraw jsonextractkeysandvalues
	jsonhas jsonlength visitparamextractstring visitparamextractint visitparamextractuint visitparamextractfloat visitparamextractbool visitparamextractraw
	visitparamhas simplejsonextractstring simplejsonextractint simplejsonextractuint simplejsonextractfloat simplejsonextractbool simplejsonextractraw
	get_path try_get_path json_extract_string json_array_length json_tuple json_parse element_at map_get xmlget
	json_query_array json_value_array json_type jsonextractarray jsonextractkeys json_set json_remove jsonb_set`)

// buildCalls take keys and values in turn.
var buildCalls = words(`json_build_object jsonb_build_object json_object object_construct object_construct_keep_null named_struct map create_map var_map`)

// pseudoNames look like names and belong to the language.
var pseudoNames = words(`current_date current_time current_timestamp current_user session_user system_user localtime localtimestamp sysdate systimestamp
	rownum rowid level user true false null default dual nextval currval value ordinality offset excluded inserted deleted new old
	year month day hour minute second quarter week dow doy isodow isoyear epoch dayofweek dayofyear millisecond microsecond decade century
	years months days hours minutes seconds weeks unknown _partitiontime _partitiondate _table_suffix ctid oid`)

// commonFunctions are those of the databases whose names are also names of
// columns that may be sensitive.
var commonFunctions = words(`date time timestamp datetime year month day hour minute second left right replace insert user password name type
	count sum avg min max coalesce nullif cast convert extract position substring trim upper lower length char concat format now value
	md5 sha1 sha2 sha256 hash uuid host network text position point location rank row_number lag lead first last median mode version
	database schema current_user session_user system_user age sign state region country percent_rank any_value array_agg string_agg group_concat`)

// syntaxWords are words of statements that the syntax tree holds no names for.
var syntaxWords = words(`value previous quick low_priority delayed history before transaction directory local options stored fields lines terminated escaped
	enclosed collection items delimited serde serdeproperties tblproperties location inputformat outputformat parquet orc csv textfile avro delta operator
	without zone connect_by_root measures pattern define subset after past classifier match_number one per match empty omit show final running
	distributed randomly distkey sortkey diststyle even auto encode interleaved compound label ur cs rs rr fill interpolate step staleness
	portion period system_time system_version versioning as_of signed unsigned lambda override output action statistics resample fullscan
	duplicate ignore engine charset comment auto_increment collate uescape absent strict keys keep wrapper conditional unconditional
	error on empty passing columns nested path exists passing ordinality returning quotes scalar
	go exec declare cursor next read only write isolation level committed uncommitted repeatable serializable snapshot concurrently
	restrict cascade nothing do instead of trigger each statement procedure begin atomic handler exit continue undo signal resignal
	owner to role user grant option admin public external stored temp unlogged logged including excluding defaults identity generated always
	stored virtual invisible visible unique primary foreign key references check constraint deferrable initially deferred immediate match
	partition partitioned bucketed buckets clustered sorted into less than list hash range modulus remainder subpartition template
	fulltext spatial btree gin gist brin hnsw include tablespace storage compression retention qualify lateral semi anti asof global local any
	all distinct ties others groups exclude respect nulls first last ignore verbose analyze costs buffers format json xml yaml
	allow filtering disable enable novalidate validate rely norely compute stats incremental database databases schemas tables views
	reset master slave session authorization preload define undrop dbcc repair msck list jar file remove widget reconfigure unlisten recompress
	directed bulk collect normalized nfc nfd nfkc nfkd sql_cache sql_buffer_result sql_big_result sql_small_result overriding variadic
	reservoir block seed outfile dumpfile starting asymmetric symmetric sounds fn oj indexed log errors reject le eq ne gt lt ge reverse
	loop declare return returns begin end then elsif elseif while for repeat until leave iterate loop procedure function package body type is
	import export csv fbv identified at file separator skip row column null true false forall varray index by pls_integer constant
	sysdate approximate sampling seed repeatable bernoulli system_sample rows percent string bytes int64 float64 numeric bignumeric bool`)
