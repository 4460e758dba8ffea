{#
    A rebuild as known at an earlier instant: `--vars "{as_of: '2026-11-20T02:00:00Z'}"` or `"{as_of: 'publication 17'}"`.
    Everything is built from what the ledger said then, into schemas of its own (as_of_core, as_of_marts, ...), and
    nothing is published (docs/adr/0042-as-known-then.md).
#}
{% macro looks_back() %}
    {{ return(var('as_of') | string | length > 0) }}
{% endmacro %}


{# The instant looked back to as `known_at`, and `as_of`, which its windows count from: texts that say it exactly. #}
{% macro looked_back_to() %}
    {%- set asked = var('as_of') | string | trim -%}
    {%- if not execute -%}
        {{ return({'known_at': '-infinity', 'as_of': '-infinity'}) }}
    {%- endif -%}
    {%- set number = modules.re.fullmatch('publication ([0-9]{1,18})', asked) -%}
    {%- if number -%}
        {%- set found = run_query(
            "select cast(known_at as text), cast(as_of as text) from ops.publications where outcome = 'published' and"
            ~ " known_at is not null and publication_id = " ~ number.group(1)
        ).rows -%}
        {%- if not found -%}
            {%- do exceptions.raise_compiler_error('as_of: ' ~ asked ~ ' was not published, or before instants were kept') -%}
        {%- endif -%}
        {{ return({'known_at': found[0][0], 'as_of': found[0][1]}) }}
    {%- endif -%}
    {%- if not modules.re.fullmatch(
        '[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)? ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)', asked
    ) -%}
        {%- do exceptions.raise_compiler_error(
            'as_of: ' ~ asked ~ ' is no instant with an offset (2026-11-20T02:00:00Z) and no "publication 17"'
        ) -%}
    {%- endif -%}
    {%- set instant = run_query(
        "select cast(timestamptz '" ~ asked ~ "' as text), timestamptz '" ~ asked ~ "' > clock_timestamp(),"
        ~ " timestamptz '" ~ asked ~ "' < min(known_until), cast(min(known_until) as text) from ops.former_values"
    ).rows[0] -%}
    {%- if instant[1] -%}
        {%- do exceptions.raise_compiler_error('as_of: ' ~ asked ~ ' is yet to come') -%}
    {%- elif instant[2] -%}
        {%- do exceptions.raise_compiler_error('as_of: what was known before ' ~ instant[3] ~ ' was not kept') -%}
    {%- endif -%}
    {{ return({'known_at': instant[0], 'as_of': env_var('PIPELINE_NOW', '') or instant[0]}) }}
{% endmacro %}


{# The instant looked back to, as SQL. #}
{% macro known_then() -%}
    timestamptz '{{ looked_back_to().known_at }}'
{%- endmacro %}


{# The instant a mart is worked out at, as SQL: the clock, or the instant looked back to. #}
{% macro present_instant() -%}
    {% if looks_back() %}{{ known_then() }}{% else %}now(){% endif %}
{%- endmacro %}


{# A table of `ops` for staging: as it stands, or as it stood. #}
{% macro ledger(table_name) -%}
    {%- set present = source('ops', table_name) -%}
    {% if looks_back() %}ops.{{ table_name }}_at({{ known_then() }}){% else %}{{ present }}{% endif %}
{%- endmacro %}


{# The run ledger for everything that asks which runs count: as it stands, or as it stood, kept once for all of them.
   Hooks may not use ref(), since dbt works out their references before there is a graph. #}
{% macro known_runs(in_hook=false) -%}
    {%- if looks_back() and in_hook -%}
        {{ api.Relation.create(
            database=target.database, schema=generate_schema_name('staging', none) | trim, identifier='stg_ops__known_runs'
        ) }}
    {%- elif looks_back() -%}
        {{ ref('stg_ops__known_runs') }}
    {%- else -%}
        {{ source('ops', 'extract_runs') }}
    {%- endif -%}
{%- endmacro %}


{# On-run-start: from now on this invocation reads the ledger. A rebuild is refused before anything is built. #}
{% macro begin_build() %}
    {%- if execute and looks_back() -%}
        {%- if reads_fivetran() -%}
            {%- do exceptions.raise_compiler_error('as_of: what Fivetran loaded is not kept by instants of ours') -%}
        {%- endif -%}
        {%- do looked_back_to() -%}
    {%- elif execute and flags.WHICH in ('build', 'run') -%}
        insert into {{ source_of('core_builds') }} (invocation_id) values ({{ sql_text(invocation_id) }})
        on conflict (invocation_id) do nothing
    {%- endif -%}
{% endmacro %}


{# The instant from which on this invocation reads the ledger, as SQL. #}
{% macro read_at() -%}
    {%- if looks_back() -%}
        {{ known_then() }}
    {%- else -%}
        coalesce(
            (
                select builds.known_at
                from {{ source('ops', 'core_builds') }} as builds
                where builds.invocation_id = '{{ invocation_id }}'
            ),
            now()
        )
    {%- endif -%}
{%- endmacro %}


{# Pre-hook of what `python -m insights run` writes: the statistics of another rebuild are none of this one, unless it is
   a publication that showed those of an earlier core (`keep_statistics`). #}
{% macro forget_statistics() %}
    {%- if looks_back() and not var('keep_statistics') and is_incremental() and not flags.EMPTY -%}
        delete from {{ this }}
    {%- endif -%}
{% endmacro %}


{# Post-hook of the audits: whatever replaces a finding, it is kept (a rebuild replaces nothing). #}
{% macro keep_findings() %}
    {%- if not looks_back() -%}
        create or replace trigger keep_findings after delete on {{ this }}
        referencing old table as gone for each statement execute function ops.keep_findings()
    {%- endif -%}
{% endmacro %}


{#
    The rows that this audit wrote then. What it finds is a finding of its moment and cannot be found again, so a rebuild
    takes the last ones before the next build read the ledger. Runs that were not audited then, or had another gate, are
    audited now, with what was known then.
#}
{% macro as_found_then() -%}
    {%- if execute -%}
        {%- set columns = model.columns.keys() | join(', ') -%}
        {%- set live = api.Relation.create(database=target.database, schema='core', identifier=this.identifier) -%}
        select {{ columns }}
        from (
            select
                findings.*,
                findings.build = max(findings.build) over (partition by findings.run_id) as is_last
            from (
                select
                    listed.*,
                    coalesce(
                        (
                            select max(builds.known_at)
                            from {{ source('ops', 'core_builds') }} as builds
                            where builds.known_at <= listed.audited_at
                        ),
                        timestamptz '-infinity'
                    ) as build
                from (
                    select {{ columns }} from {{ live }}
                    union all
                    select finding.{{ model.columns.keys() | join(', finding.') }}
                    from {{ source('ops', 'former_findings') }} as former
                    cross join lateral jsonb_populate_record(cast(null as {{ live }}), former.finding) as finding
                    where former.table_name = '{{ this.identifier }}'
                ) as listed
            ) as findings
            where findings.build <= {{ known_then() }}
        ) as kept
        where kept.is_last and {{ had_its_gate('kept') }}
    {%- endif -%}
{%- endmacro %}


{# A finding is of the gate that its run had then; sums are of runs that passed. #}
{% macro had_its_gate(kept) -%}
    exists (
        select 1
        from {{ known_runs(in_hook=true) }} as runs
        where
            runs.run_id = {{ kept }}.run_id
            and runs.gate = {{ kept ~ '.gate' if 'gate' in model.columns else "'passed'" }}
    )
{%- endmacro %}


{# What an audit shows: what it `found`; in a rebuild what it had found then, and only the rest as found now. #}
{% macro findings(found) -%}
    {%- if looks_back() -%}
        {{ as_found_then() }}
        union all
        select * from {{ found }}
        where run_id not in (select kept.run_id from ({{ as_found_then() }}) as kept)
    {%- else -%}
        select * from {{ found }}
    {%- endif -%}
{%- endmacro %}
