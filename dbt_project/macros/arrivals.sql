{#
    Incremental by arrival: a table remembers the runs it has taken in (core.loaded_runs), because a run's rows become
    visible when its gate passes, in no order of observed_at. The claim commits with the rows or not at all.
#}

{# True when the table exists and is to be continued; false on the first build and on --full-refresh. #}
{% macro continues() %}
    {{ return(is_incremental() and not flags.FULL_REFRESH) }}
{% endmacro %}


{# Pre-hook: claim every passed run of these streams that the table has not taken in yet. #}
{% macro claim_runs(streams) %}
    {%- if not flags.EMPTY -%}
        {%- if not continues() %}
            delete from {{ ref('loaded_runs') }} where table_name = '{{ this.identifier }}';
            {%- if is_incremental() %}
                delete from {{ this }};
            {%- endif %}
        {%- endif %}
        insert into {{ ref('loaded_runs') }} (table_name, run_id, invocation_id, loaded_at)
        select
            '{{ this.identifier }}',
            runs.run_id,
            '{{ invocation_id }}',
            clock_timestamp()
        from {{ source('ops', 'extract_runs') }} as runs
        where
            runs.gate = 'passed'
            and split_part(runs.stream, '__', 2) in ('{{ streams | join("', '") }}')
            and not exists (
                select 1
                from {{ ref('loaded_runs') }} as loaded
                where loaded.table_name = '{{ this.identifier }}' and loaded.run_id = runs.run_id
            )
    {%- endif -%}
{% endmacro %}


{# The runs this invocation claimed, as an array, so that the planner can push it down to the raw tables. #}
{% macro claimed_runs() -%}
    array(
        select claimed.run_id
        from {{ ref('loaded_runs') }} as claimed
        where claimed.table_name = '{{ this.identifier }}' and claimed.invocation_id = '{{ invocation_id }}'
    )
{%- endmacro %}
