{#
    The other way in: tables that Fivetran's connectors loaded, read instead of ours when the variable `fivetran` names
    their schemas (docs/fivetran.md). Its keys: `schemas` (connector to schema, or to a list of them), `tables` (where a
    table is called otherwise), `business_id` and `accounts` (which business an account belongs to).
#}
{% macro reads_fivetran() %}
    {{ return(var('fivetran') | length > 0) }}
{% endmacro %}


{#
    The rows of one table of a connector, over all its schemas, in the given columns and types: `text`, `numeric`,
    `boolean`, or `instant` (UTC, without zone). A connector leaves out columns, and tables, that it never filled: they
    are NULL, or empty. As in Fivetran's packages `source_relation` is empty unless a connector has several schemas.
#}
{% macro fivetran_table(connector, table_name, columns) -%}
    {%- set settings = var('fivetran') -%}
    {%- set named = settings.get('schemas', {}).get(connector, []) -%}
    {%- set schemas = [named] if named is string else named -%}
    {%- set identifier = settings.get('tables', {}).get(connector ~ '.' ~ table_name, table_name) -%}
    {%- for schema in schemas -%}
        {%- set relation = api.Relation.create(database=target.database, schema=schema, identifier=identifier) -%}
        {%- set types = fivetran_types(relation) -%}
        select
            {%- for column, kind in columns.items() %}
            {{ fivetran_value(column, kind, types.get(column)) }} as {{ column }},
            {%- endfor %}
            '{{ schema if schemas | length > 1 else '' }}' as source_relation
        {%- if types %}
        from {{ relation }}
        {%- else %}
        where false
        {%- endif %}
        {{ '\nunion all\n' if not loop.last }}
    {%- else -%}
        select
            {%- for column, kind in columns.items() %}
            {{ fivetran_value(column, kind, none) }} as {{ column }},
            {%- endfor %}
            '' as source_relation
        where false
    {%- endfor -%}
{%- endmacro %}


{# Column names to types of a relation that need not exist. #}
{% macro fivetran_types(relation) %}
    {%- set types = {} -%}
    {%- if execute -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- do types.update({column.name: column.data_type}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(types) }}
{% endmacro %}


{# One column of a connector's table as one type, whatever it was loaded as; NULL when it was not loaded. #}
{% macro fivetran_value(column, kind, present) -%}
    {%- set type = 'timestamp' if kind == 'instant' else kind -%}
    {%- if present is none -%}
        cast(null as {{ type }})
    {%- elif kind == 'instant' and present == 'timestamp with time zone' -%}
        {{ column }} at time zone 'UTC'
    {%- elif kind == 'text' -%}
        cast({{ column }} as text)
    {%- elif kind == 'numeric' -%}
        trim_scale(cast(nullif(cast({{ column }} as text), '') as numeric))
    {%- else -%}
        cast(nullif(cast({{ column }} as text), '') as {{ type }})
    {%- endif -%}
{%- endmacro %}


{#
    The business of an account: that of the first entry of `accounts` whose every key fits, else `business_id`, else
    NULL, which a test refuses. An account may be known by several ids (X: the user and the advertiser).
#}
{% macro fivetran_business(platform, account_ids, source_relation='source_relation') -%}
    {%- set settings = var('fivetran') -%}
    {%- set fallback = settings.get('business_id') -%}
    {%- set fitting = [] -%}
    {%- for entry in settings.get('accounts', []) if entry.get('platform', platform) == platform -%}
        {%- set conditions = [] -%}
        {%- if 'account_id' in entry -%}
            {%- do conditions.append(sql_text(entry['account_id']) ~ ' in (' ~ account_ids | join(', ') ~ ')') -%}
        {%- endif -%}
        {%- if 'source_relation' in entry -%}
            {%- do conditions.append(source_relation ~ ' = ' ~ sql_text(entry['source_relation'])) -%}
        {%- endif -%}
        {%- do fitting.append('when ' ~ (conditions | join(' and ') or 'true') ~ ' then ' ~ entry['business_id'] | int) -%}
    {%- endfor -%}
    cast(
        {%- if fitting %} case {{ fitting | join(' ') }} else {{ fallback or 'null' }} end
        {%- else %} {{ fallback or 'null' }}
        {%- endif %} as bigint
    )
{%- endmacro %}


{# LinkedIn's id without its kind, as Fivetran's packages compare it. #}
{% macro linkedin_number(urn) -%}
    regexp_replace({{ urn }}, '^urn:li:(share|ugcpost):', '', 'i')
{%- endmacro %}
