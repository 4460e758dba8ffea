{#
    Incremental by day: a table of sums by business and day goes on from the days whose rows changed below it
    (ops.changed_parts, noted by note_changes), and works these out anew.
#}
{% macro continues_by_day() %}
    {%- if
        not execute or model.resource_type != 'model' or flags.WHICH not in ('build', 'run') or not is_incremental()
        or flags.FULL_REFRESH or flags.EMPTY or looks_back()
    -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set anew -%}
        select 1 from ops.changed_parts where kind in ('day', 'activity') and part is null limit 1
    {%- endset -%}
    {{ return(run_query(anew).rows | length == 0) }}
{% endmacro %}


{#
    Pre-hook: what was noted is taken, and leaves the days to work out in the temporary table claimed_days: those of rows
    that were written, and every day on which one of these posts moved, since it counts in a week or not by the day before.
#}
{% macro claim_days() %}
    {%- if continues_by_day() %}
        create temporary table claimed_days (business_id bigint, day date) on commit drop;
        with noted as (
            delete from ops.changed_parts
            where kind in ('day', 'activity') and part is not null
            returning kind, part
        )

        insert into claimed_days (business_id, day)
        select
            cast(split_part(noted.part, '|', 1) as bigint),
            cast(split_part(noted.part, '|', 2) as date)
        from noted
        where noted.kind = 'day'
        union
        select
            daily.business_id,
            daily.activity_date
        from (select distinct part as post_key from noted where kind = 'activity') as moved
        inner join {{ relation_of('fct_post_daily') }} as daily using (post_key);
        analyze claimed_days
    {%- elif not flags.EMPTY %}
        {%- if not looks_back() %}
            delete from ops.changed_parts where kind in ('day', 'activity');
        {%- endif %}
        {%- if is_incremental() %}
            delete from {{ this }}
        {%- endif %}
    {%- endif %}
{% endmacro %}
