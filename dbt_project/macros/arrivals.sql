{#
    Incremental by arrival: a table remembers the runs it has taken in (core.loaded_runs), because a run's rows become
    visible when its gate passes, in no order of observed_at. The claim commits with the rows or not at all.
#}

{# True when the table exists and is to be continued; false on the first build, on --full-refresh, in a rebuild of an
   earlier state, and when the table holds rows of a run that was taken up again after its gate and then held back: rare,
   and rebuilding is sure. So is it for rows that Fivetran loaded, which come in no runs of ours, and when ours are read
   again after them. #}
{% macro continues() %}
    {%- if looks_back() -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(is_incremental() and not flags.FULL_REFRESH and not reads_fivetran() and not holds_revoked_runs()) }}
{% endmacro %}


{# Stands in loaded_runs for what Fivetran loaded. #}
{% macro run_of_fivetran() -%}
    00000000-0000-0000-0000-000000000000
{%- endmacro %}


{% macro holds_revoked_runs() %}
    {%- if not execute or model.resource_type != 'model' or flags.WHICH not in ('build', 'run') -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set revoked -%}
        select 1
        from {{ ref('loaded_runs') }} as loaded
        left join {{ source('ops', 'extract_runs') }} as runs on loaded.run_id = runs.run_id
        where
            loaded.table_name = '{{ this.identifier }}'
            and (runs.gate = 'quarantined' or loaded.run_id = '{{ run_of_fivetran() }}')
        limit 1
    {%- endset -%}
    {{ return(run_query(revoked).rows | length > 0) }}
{% endmacro %}


{# Pre-hook: claim every passed run of these streams that the table has not taken in yet. A run that was taken up again
   has another lease epoch and is claimed anew: all its rows are looked at again. #}
{% macro claim_runs(streams) %}
    {%- if not flags.EMPTY -%}
        {%- if not continues() %}
            delete from {{ ref('loaded_runs') }} where table_name = '{{ this.identifier }}';
            {%- if is_incremental() %}
                delete from {{ this }};
            {%- endif %}
        {%- endif %}
        insert into {{ ref('loaded_runs') }} as loaded (table_name, run_id, lease_epoch, invocation_id, loaded_at)
        {%- if reads_fivetran() %}
        values ('{{ this.identifier }}', '{{ run_of_fivetran() }}', 0, '{{ invocation_id }}', clock_timestamp())
        {%- else %}
        select
            '{{ this.identifier }}',
            runs.run_id,
            runs.lease_epoch,
            '{{ invocation_id }}',
            clock_timestamp()
        from {{ known_runs(in_hook=true) }} as runs
        left join {{ ref('loaded_runs') }} as known
            on known.table_name = '{{ this.identifier }}' and known.run_id = runs.run_id
        where
            runs.gate = 'passed'
            and split_part(runs.stream, '__', 2) in ('{{ streams | join("', '") }}')
            and (known.run_id is null or known.lease_epoch <> runs.lease_epoch)
        on conflict (table_name, run_id) do update
        set
            lease_epoch = excluded.lease_epoch,
            invocation_id = excluded.invocation_id,
            loaded_at = excluded.loaded_at
        {%- endif %}
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
