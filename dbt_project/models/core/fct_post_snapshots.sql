{{ config(
    incremental_strategy='append',
    pre_hook="{{ claim_runs(['posts', 'post_metrics']) }}; {{ forget_reread_posts() }}",
    post_hook=["{{ remember_read_posts() }}", "{{ ensure_index(['changed_at']) }}", "{{ note_changes({'post': 'post_key'}) }}"],
) }}
-- depends_on: {{ ref('loaded_runs') }}
-- depends_on: {{ ref('read_posts') }}
{#- The versions of an edited post are one post, named by its first version. #}
{%- set key = 'business_id, platform, account_id, first_post_id' %}
{%- set known = post_metrics() | join(', ') %}

with
{% if continues() %}
    arrived as (
        {{ arrived_readings() }}
    ),

    touched as (
        {{ touched_posts('arrived') }}
    ),

    reread as (
        select * from touched
        where is_reread
    ),

    -- Versions that this build does not bring: those before, and those that came earlier.
    versions as (
        select arrived.post_id
        from arrived
        inner join reread on arrived.post_key = reread.post_key
        union
        select unnest(arrived.version_ids)
        from arrived
        inner join reread on arrived.post_key = reread.post_key
        union
        select known.post_id
        from {{ ref('read_posts') }} as known
        inner join reread on known.post_key = reread.post_key
    ),

    -- What was known last, as if each stream had told its part just then.
    last_known as (
        select
            touched.first_post_id,
            streams.stream,
            newest.*
        from touched
        cross join (values ('posts'), ('post_metrics')) as streams (stream)
        inner join lateral (
            select
                present.business_id,
                present.platform,
                present.account_id,
                present.post_id,
                present.observed_at,
                {{ known }}
            from {{ this }} as present
            where present.post_key = touched.post_key
            order by present.observed_at desc
            limit 1
        ) as newest on true
        where not touched.is_reread
    ),
{% endif %}

all_readings as (
    select
        business_id,
        platform,
        account_id,
        post_id,
        {{ first_version() }} as first_post_id,
        {{ edition() }} as edition,
        stream,
        observed_at,
        {{ known }}
    from {{ ref('int_post_metrics_unioned') }}
    {% if continues() %}
        -- Arrays reach the indexes of the raw tables through the union; the row comparison makes it exact.
        where
            business_id = any(array(select distinct business_id from reread))
            and account_id = any(array(select distinct account_id from reread))
            and post_id = any(array(select post_id from versions))
            and (business_id, platform, account_id, {{ first_version() }}) in (select {{ key }} from reread)
        union all
        select
            arrived.business_id,
            arrived.platform,
            arrived.account_id,
            arrived.post_id,
            arrived.first_post_id,
            1 as edition,
            arrived.stream,
            arrived.observed_at,
            {% for metric in post_metrics() %}
                arrived.{{ metric }}{% if not loop.last %},{% endif %}
            {% endfor %}
        from arrived
        inner join touched on arrived.post_key = touched.post_key
        where not touched.is_reread
        union all
        select
            business_id,
            platform,
            account_id,
            post_id,
            first_post_id,
            1 as edition,
            stream,
            observed_at,
            {% for metric in post_metrics() %}
                case when (stream = 'post_metrics') = ({{ told_apart(metric) }}) then {{ metric }} end as {{ metric }}
                {%- if not loop.last %},{% endif %}
            {% endfor %}
        from last_known
    {% endif %}
),

readings as (
    select distinct on ({{ key }}, stream, observed_at) *
    from all_readings
    order by {{ key }}, stream, observed_at, edition desc, post_id desc
),

-- At each instant: which reading of each stream was the last.
instants as (
    select distinct
        {{ key }},
        observed_at,
        max(observed_at) filter (where stream = 'posts') over so_far as posts_observed_at,
        max(observed_at) filter (where stream = 'post_metrics') over so_far as post_metrics_observed_at
    from readings
    window so_far as (partition by {{ key }} order by observed_at)
),

carried_forward as (
    select
        instants.business_id,
        instants.platform,
        instants.account_id,
        instants.first_post_id,
        coalesce(own.post_id, apart.post_id) as post_id,
        instants.observed_at,
        {% for metric in post_metrics() %}
            coalesce(own.{{ metric }}, apart.{{ metric }}) as {{ metric }}{% if not loop.last %},{% endif %}
        {% endfor %}
    from instants
    left join readings as own
        on
            instants.business_id = own.business_id
            and instants.platform = own.platform
            and instants.account_id = own.account_id
            and instants.first_post_id = own.first_post_id
            and instants.posts_observed_at = own.observed_at
            and own.stream = 'posts'
    left join readings as apart
        on
            instants.business_id = apart.business_id
            and instants.platform = apart.platform
            and instants.account_id = apart.account_id
            and instants.first_post_id = apart.first_post_id
            and instants.post_metrics_observed_at = apart.observed_at
            and apart.stream = 'post_metrics'
),

compared as (
    select
        *,
        array[{{ known }}] as known,
        lag(
            array[{{ known }}],
            1,
            array_fill(cast(null as numeric), array[{{ post_metrics() | length }}])
        ) over (partition by {{ key }} order by observed_at) as known_before
    from carried_forward
),

final as (
    select
        {{ surrogate_key(key.split(', ')) }} as post_key,
        business_id,
        platform,
        account_id,
        post_id,
        observed_at,
        {{ known }},
        now() as changed_at
    from compared
    where known is distinct from known_before
    {% if continues() %}
        -- What was known last is in the table already.
        and (business_id, platform, account_id, first_post_id, observed_at) not in (
            select
                business_id,
                platform,
                account_id,
                first_post_id,
                observed_at
            from last_known
        )
    {% endif %}
)

select * from final
