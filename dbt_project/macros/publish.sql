{#
    Write, audit, publish. A model of the publish layer is a view in the schema `candidate`: contract, tests and unit
    tests run against it before anything that BI reads has changed. This hook then brings every mart to the new state in
    one transaction on one snapshot, so that a reader sees one build or the next:

    publish.<name>         materialized view; refreshed concurrently, or rebuilt when the candidate's definition changed
    publish.<name>__apart  the rows of businesses that were published apart from the others since (`businesses`), and of
                           parts that changed since the materialized view was refreshed (`part`)
    marts.<name>           security-barrier view on both, showing the businesses granted to current_user

    Every attempt is a row of ops.publications, written before it begins; one that fails says there why (docs/adr/0030).

    Config of a publish model, under `meta`: `key` (unique columns), `indexes` (lists of columns that BI filters on),
    `part` and `part_columns` (what of core a row rests on alone, and what names it: macros/publication_of_changes.sql),
    `at_read` (columns worked out anew at every read, by expression), `read_as` (schema and name of the view that BI
    reads, where it is not marts.<name>), `unread` (columns that view leaves out).

    Variables: `publish: false` audits and publishes nothing; `businesses: [1, 2]` publishes those alone;
    `publish_minutes` and `publish_patience_seconds` bound a publication's work and its waiting for locks.
#}
{% macro publish(results=none) %}
    {%- if execute and looks_back() and flags.WHICH == 'run-operation' -%}
        {%- do exceptions.raise_compiler_error('what is rebuilt as known at an earlier instant is not published') -%}
    {%- elif execute and flags.WHICH in ('build', 'run-operation') and not looks_back() -%}
        {%- set publication = plan_publication(results) -%}
        {%- if publication.refusal -%}
            {%- do print('publish: ' ~ publication.refusal) -%}
            {%- if publication.is_failure -%}
                {{ refuse_sql(publication.refusal) }}
            {%- endif -%}
        {%- elif publication.marts and flags.WHICH == 'run-operation' -%}
            {%- do run_query(publish_sql(publication.marts)) -%}
        {%- elif publication.marts -%}
            {{ publish_sql(publication.marts) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{# What to publish, or why not: everything or nothing, and nothing unaudited. #}
{% macro plan_publication(results) %}
    {%- set marts = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.fqn[1] == 'publish' -%}
        {%- set meta = node.config.meta -%}
        {%- do marts.append({
            'unique_id': node.unique_id,
            'name': node.name,
            'schema': node.schema,
            'key': meta['key'],
            'indexes': meta.get('indexes', []),
            'at_read': meta.get('at_read', {}),
            'unread': meta.get('unread', []),
            'read_schema': meta.get('read_as', 'marts').split('.')[0],
            'part': meta.get('part'),
            'part_key': kinds_of_parts().get(meta.get('part'), []),
            'part_columns': meta.get('part_columns', kinds_of_parts().get(meta.get('part'), [])),
            'read_name': meta.get('read_as', '.' ~ node.name).split('.')[1],
        }) -%}
    {%- endfor -%}
    {%- if results is none -%}
        {{ return({'marts': marts, 'refusal': none}) }}
    {%- endif -%}
    {%- set built = results | map(attribute='node.unique_id') | list -%}
    {%- set absent = marts | rejectattr('unique_id', 'in', built) | map(attribute='name') | list -%}
    {%- set failed = [] -%}
    {%- for result in results if result.status in ('error', 'fail', 'runtime error', 'partial success') -%}
        {%- do failed.append(result.node.name) -%}
    {%- endfor -%}
    {%- set facts = 'model.' ~ project_name ~ '.fct_posts' -%}
    {%- if failed and (absent | length < marts | length or facts in built) -%}
        {%- set refusal = 'nothing was published and the last publication stands, because of ' ~ failed | join(', ') -%}
    {%- elif absent | length == marts | length -%}
        {{ return({'marts': [], 'refusal': none}) }}
    {%- elif flags.EMPTY -%}
        {%- set refusal = 'nothing was published, because --empty builds no rows' -%}
    {%- elif absent -%}
        {%- set refusal = 'nothing was published, because the selection left out ' ~ absent | join(', ') -%}
    {%- elif not var('publish') -%}
        {%- set refusal = 'nothing was published, because only the audits were asked for' -%}
    {%- endif -%}
    {{ return({'marts': marts, 'refusal': refusal, 'is_failure': failed | length > 0}) }}
{% endmacro %}


{# The relation of a model; hooks may not use ref(), since dbt works out their references before there is a graph. #}
{% macro relation_of(model_name) -%}
    {{ graph.nodes['model.' ~ project_name ~ '.' ~ model_name].relation_name }}
{%- endmacro %}


{# A table of `ops` in a hook, where source() would be cut to no rows by --empty. #}
{% macro source_of(table_name) -%}
    {{ graph.sources['source.' ~ project_name ~ '.ops.' ~ table_name].relation_name }}
{%- endmacro %}


{# The businesses that were asked for as an array literal; NULL for all. Anything but whole numbers is an error. #}
{% macro asked_businesses() -%}
    {%- set asked = var('businesses') -%}
    {%- if asked is none -%}
        null::bigint[]
    {%- else -%}
        {%- set numbers = [asked] if asked is number or asked is string else asked -%}
        {%- if not numbers -%}
            {%- do exceptions.raise_compiler_error('businesses: name at least one, or leave the variable out') -%}
        {%- endif -%}
        {%- for number in numbers if not modules.re.fullmatch('[0-9]{1,18}', number | string) -%}
            {%- do exceptions.raise_compiler_error('businesses: ' ~ number ~ ' is not the id of a business') -%}
        {%- endfor -%}
        array[{{ numbers | join(', ') }}]::bigint[]
    {%- endif -%}
{%- endmacro %}


{# On-run-end, where a node failed: the last publication stands, and data_freshness says why. #}
{% macro refuse_sql(refusal) %}
    insert into {{ source_of('publications') }} (invocation_id, outcome, businesses, reason, ended_at)
    values ({{ sql_text(invocation_id) }}, 'refused', {{ asked_businesses() }}, {{ sql_text(refusal) }}, clock_timestamp())
{% endmacro %}


{# One attempt: written down, made in one transaction, and an error if it came to nothing. #}
{% macro publish_sql(marts) %}
rollback;
begin;
do $attempt$
begin
    -- One publication at a time; the one that comes later takes its snapshot when the other has ended.
    set local lock_timeout = '10min';
    lock table {{ source_of('publications') }} in share update exclusive mode;
    insert into {{ source_of('publications') }} (invocation_id, businesses)
    values ({{ sql_text(invocation_id) }}, {{ asked_businesses() }});
exception
    when lock_not_available then
        raise exception 'nothing was published: another publication has been under way for more than 10 minutes'
            using hint = 'Look for it in pg_stat_activity; the last publication stands.';
end
$attempt$;
commit;
-- Every mart is computed from the same snapshot. LOCK takes none, so it comes first.
begin transaction isolation level repeatable read;
set local lock_timeout = '10min';
lock table {{ source_of('publications') }} in share update exclusive mode;
-- A publisher that was killed must not go on: its successor may be at work by then.
set local client_connection_check_interval = '1s';
set local statement_timeout = '{{ [(var('publish_minutes') | float * 60000) | int, 1] | max }}ms';
do $publish$
{{ publication_block(marts) }}
$publish$;
commit;
do $outcome$
declare
    refusal text;
begin
    select reason
    into refusal
    from {{ source_of('publications') }}
    where invocation_id = {{ sql_text(invocation_id) }}
    order by publication_id desc
    limit 1;
    if refusal is not null then
        raise exception '%', refusal
            using hint = 'The last publication stands, and marts.data_freshness says so; see docs/runbook.md#publication.';
    end if;
end
$outcome$;
{% endmacro %}


{# `dbt run-operation show_publication`: the SQL of a publication, for benchmarks and for people. #}
{% macro show_publication() %}
    {%- if execute -%}
        {%- do print(publish_sql(plan_publication(none).marts)) -%}
    {%- endif -%}
{% endmacro %}


{# On-run-end, after `publish` has succeeded: one line that says what readers see now. #}
{% macro announce_publication(results) %}
    {%- if execute and looks_back() and flags.WHICH in ('build', 'run') -%}
        {%- do print('publish: nothing was published; the schemas as_of_* hold what was known at ' ~ looked_back_to().known_at) -%}
    {%- elif execute and flags.WHICH == 'build' -%}
        {%- set publication = plan_publication(results) -%}
        {%- if publication.marts and not publication.refusal -%}
            {%- set actions = run_query(
                "select action, count(*), to_char(min(as_of) at time zone 'UTC', 'YYYY-MM-DD HH24:MI')"
                ~ " from publish.publications group by action order by action"
            ) -%}
            {%- set parts = [] -%}
            {%- for action in actions.rows -%}
                {%- do parts.append(action[1] ~ ' ' ~ action[0]) -%}
            {%- endfor -%}
            {%- if var('businesses') is none -%}
                {%- do print('publish: ' ~ publication.marts | length ~ ' marts as of ' ~ actions.rows[0][2] ~ ' UTC (' ~ parts | join(', ') ~ ')') -%}
            {%- else -%}
                {%- do print('publish: ' ~ publication.marts | length ~ ' marts of businesses ' ~ var('businesses') ~ ' alone') -%}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
