{#
    How a table of post history takes readings in. Most of them are newer than all that is known of their post: they are
    put behind its last row. The others (late, or of an edited post) have their posts read again from the beginning.
    core.read_posts remembers until when every version of a post was read; it is written with the rows or not at all.
#}

{# The readings this invocation claimed, with the key of their post. #}
{% macro arrived_readings() -%}
    select
        *,
        {{ first_version() }} as first_post_id,
        {{ surrogate_key(['business_id', 'platform', 'account_id', first_version()]) }} as post_key
    from {{ ref('int_post_metrics_unioned') }}
    where run_id = any({{ claimed_runs() }})
{%- endmacro %}


{# Of every post with arrived readings: until when it was read before, and whether it must be read again. #}
{% macro touched_posts(arrived) -%}
    select
        arrived.post_key,
        arrived.business_id,
        arrived.platform,
        arrived.account_id,
        arrived.first_post_id,
        max(known.read_until) as read_until,
        coalesce(bool_or(cardinality(arrived.version_ids) > 1), false)
        or count(distinct known.post_id) > 1
        or coalesce(min(arrived.observed_at) <= max(known.read_until), false) as is_reread
    from {{ arrived }} as arrived
    left join {{ ref('read_posts') }} as known on arrived.post_key = known.post_key
    group by
        arrived.post_key, arrived.business_id, arrived.platform, arrived.account_id, arrived.first_post_id
{%- endmacro %}


{# In one pre-hook with claim_runs, which comes first and changes what continues() says: the rows of posts that are read
   again go, and all when the table is rebuilt. #}
{% macro forget_reread_posts() %}
    {%- if not flags.EMPTY and not continues() -%}
        delete from {{ ref('read_posts') }}
    {%- elif not flags.EMPTY -%}
        with arrived as (
            {{ arrived_readings() }}
        ),

        touched as (
            {{ touched_posts('arrived') }}
        )

        delete from {{ this }} as present
        using touched
        where touched.is_reread and present.post_key = touched.post_key
    {%- else -%}
        select 1 where false -- after the semicolon of the hook, PostgreSQL's driver wants a statement
    {%- endif -%}
{% endmacro %}


{# Post-hook: until when the arrived posts are read now. #}
{% macro remember_read_posts() %}
    {%- if not flags.EMPTY -%}
        insert into {{ ref('read_posts') }} as known
            (post_key, business_id, platform, account_id, post_id, read_until)
        select
            arrived.post_key,
            arrived.business_id,
            arrived.platform,
            arrived.account_id,
            arrived.post_id,
            max(arrived.observed_at)
        from (
            {{ arrived_readings() }}
        ) as arrived
        group by arrived.post_key, arrived.business_id, arrived.platform, arrived.account_id, arrived.post_id
        on conflict (post_key, post_id) do update
        set read_until = greatest(known.read_until, excluded.read_until)
    {%- endif -%}
{% endmacro %}
