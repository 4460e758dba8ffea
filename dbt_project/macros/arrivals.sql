{#
    Incremental by arrival: a table remembers the runs it has taken in (core.loaded_runs), because a run's rows become
    visible when its gate passes, in no order of observed_at. The claim commits with the rows or not at all.
#}

{# True when the table exists and is to be continued; false on the first build, on --full-refresh, in a rebuild of an
   earlier state, with --empty (no deletions are seen then, and posts would seem to be back), and when the table holds rows
   of a run that was taken up again after its gate and then held back: rare, and rebuilding is sure. So is it for rows that
   Fivetran loaded, which come in no runs of ours, and when ours are read again after them. #}
{% macro continues() %}
    {%- if looks_back() or flags.EMPTY -%}
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
        -- From the few runs that were held back to what was taken in, and not the other way round.
        select 1
        from {{ source('ops', 'extract_runs') }} as runs
        inner join {{ ref('loaded_runs') }} as loaded on runs.run_id = loaded.run_id
        where runs.gate = 'quarantined' and loaded.table_name = '{{ this.identifier }}'
        union all
        select 1
        from {{ ref('loaded_runs') }} as loaded
        where loaded.table_name = '{{ this.identifier }}' and loaded.run_id = '{{ run_of_fivetran() }}'
        limit 1
    {%- endset -%}
    {{ return(run_query(revoked).rows | length > 0) }}
{% endmacro %}


{#
    Pre-hook: claim every passed run of these streams that the table has not taken in yet. A run that was taken up again
    has another lease epoch and is claimed anew: all its rows are looked at again.

    `after` names the core tables (and the streams they take in) that this one rests on: a run may pass its gate between
    their claims and this one, and is claimed when all of them have taken it in.
#}
{% macro claim_runs(streams, after={}) %}
    {%- if execute and not flags.EMPTY -%}
        {{ forget_claims() }}
        {%- if reads_fivetran() %}
            insert into {{ ref('loaded_runs') }} (table_name, run_id, lease_epoch, invocation_id, loaded_at)
            values ('{{ this.identifier }}', '{{ run_of_fivetran() }}', 0, '{{ invocation_id }}', clock_timestamp())
        {%- else -%}
            {%- set ready -%}
                true
                {%- for table, taken in after.items() %}
                    and (
                        waiting.stream not in ('{{ taken | join("', '") }}')
                        or exists (
                            select 1
                            from {{ ref('loaded_runs') }} as below
                            where
                                below.table_name = '{{ table }}'
                                and below.run_id = waiting.run_id
                                and below.lease_epoch = waiting.lease_epoch
                        )
                    )
                {%- endfor %}
            {%- endset -%}
            {{ claim_sql("split_part(runs.stream, '__', 2) in ('" ~ streams | join("', '") ~ "')", ready) }}
        {%- endif %}
    {%- endif -%}
{% endmacro %}


{# A table that is made anew has taken nothing in. #}
{% macro forget_claims() %}
    {%- if not continues() %}
        delete from {{ ref('loaded_runs') }} where table_name = '{{ this.identifier }}';
        delete from {{ relation_of('claimed_until') }} where table_name = '{{ this.identifier }}';
        {%- if is_incremental() %}
            delete from {{ this }};
        {%- endif %}
    {%- endif %}
{% endmacro %}


{#
    One statement on one snapshot: what waits is claimed if it is `ready`. A run that this snapshot does not show as it is
    was changed by a transaction that was under way, and all of those have a number from the snapshot's xmin on: the next
    claim begins there, or at the oldest run that was left (docs/adr/0041).
#}
{% macro claim_sql(wanted, ready, anew_by_epoch=true) %}
    with waiting as materialized (
        select
            runs.run_id,
            runs.lease_epoch,
            runs.changed_in,
            split_part(runs.stream, '__', 2) as stream
        from {{ known_runs(in_hook=true) }} as runs
        where
            runs.gate = 'passed'
            and {{ wanted }}
            and runs.changed_in >= coalesce(
                (
                    select marks.claimed_until
                    from {{ relation_of('claimed_until') }} as marks
                    where marks.table_name = '{{ this.identifier }}' and marks.cluster = {{ this_cluster() }}
                ),
                '0'
            )
            and not exists (
                select 1
                from {{ ref('loaded_runs') }} as known
                where
                    known.table_name = '{{ this.identifier }}'
                    and known.run_id = runs.run_id
                    {%- if anew_by_epoch %}
                        and known.lease_epoch = runs.lease_epoch
                    {%- endif %}
            )
    ),

    claimed as (
        insert into {{ ref('loaded_runs') }} as loaded (table_name, run_id, lease_epoch, invocation_id, loaded_at)
        select
            '{{ this.identifier }}',
            waiting.run_id,
            waiting.lease_epoch,
            '{{ invocation_id }}',
            clock_timestamp()
        from waiting
        where {{ ready }}
        on conflict (table_name, run_id) do update
        set
            lease_epoch = excluded.lease_epoch,
            invocation_id = excluded.invocation_id,
            loaded_at = excluded.loaded_at
        returning loaded.run_id
    )

    insert into {{ relation_of('claimed_until') }} (table_name, cluster, claimed_until)
    select
        '{{ this.identifier }}',
        {{ this_cluster() }},
        least(
            pg_snapshot_xmin(pg_current_snapshot()),
            (
                select min(waiting.changed_in)
                from waiting
                where waiting.run_id not in (select claimed.run_id from claimed)
            )
        )
    on conflict (table_name) do update
    set cluster = excluded.cluster, claimed_until = excluded.claimed_until
{% endmacro %}


{% macro this_cluster() -%}
    (select cast(clusters.system_identifier as text) from pg_control_system() as clusters)
{%- endmacro %}


{# The runs this invocation claimed, as an array, so that the planner can push it down to the raw tables. #}
{% macro claimed_runs() -%}
    array(
        select claimed.run_id
        from {{ ref('loaded_runs') }} as claimed
        where claimed.table_name = '{{ this.identifier }}' and claimed.invocation_id = '{{ invocation_id }}'
    )
{%- endmacro %}


{# The posts that the claimed runs tell something of: column post_key. #}
{% macro posts_of_claimed_runs() -%}
    {%- for relation in (ref('int_posts_unioned'), ref('int_post_metrics_unioned')) %}
        select {{ surrogate_key(['business_id', 'platform', 'account_id', first_version()]) }} as post_key
        from {{ relation }}
        where run_id = any({{ claimed_runs() }})
        {% if not loop.last %}union{% endif %}
    {%- endfor %}
{%- endmacro %}
