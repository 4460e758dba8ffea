{#- Formulas and references: docs/statistics.md. #}
{{ config(meta={
    'key': ['business_id', 'platform', 'account_id', 'post_id', 'metric'],
    'indexes': [['business_id', 'platform', 'metric']],
}) }}
{%- set last_posts = 100 %}
{%- set fewest_posts = 10 %}
{%- set setting = 'business_id, platform, account_id, content_type, metric, age_hours' %}

-- Inlined, so that the newest posts of a setting are found by the index.
with posts as not materialized (
    select * from {{ ref('fct_posts') }}
),

curves as not materialized (
    select * from {{ ref('fct_post_velocity') }}
),

median_ranks as (
    select * from {{ ref('median_ranks') }}
),

-- What of a post is judged: its value at the oldest age it has one for.
measured as (
    select
        curves.post_key,
        curves.business_id,
        curves.platform,
        curves.account_id,
        posts.post_id,
        posts.content_type,
        posts.published_at,
        curves.metric,
        coalesce(
            {% for age, hours in compared_ages() | reverse %}
                case when curves.value_{{ age }} is not null then {{ hours }} end{% if not loop.last %},{% endif %}
            {% endfor %}
        ) as age_hours,
        coalesce(
            {% for age, hours in compared_ages() | reverse %}
                curves.value_{{ age }}{% if not loop.last %},{% endif %}
            {% endfor %}
        ) as value,
        case
            {% for age, hours in compared_ages() | reverse %}
                when curves.value_{{ age }} is not null then curves.is_interpolated_{{ age }}
            {% endfor %}
        end as is_interpolated
    from curves
    inner join posts on curves.post_key = posts.post_key
),

settings as (
    select distinct {{ setting }}
    from measured
    where age_hours is not null
),

-- The last posts of each setting that have a value at its age, newest first: so many steps into the index.
last_posts as (
    select
        settings.*,
        newest.post_key,
        newest.value
    from settings
    cross join lateral (
        select
            posts.post_key,
            {{ value_of_age('curves', 'settings.age_hours') }} as value
        from posts
        inner join curves on posts.post_key = curves.post_key
        where
            posts.business_id = settings.business_id
            and posts.platform = settings.platform
            and posts.account_id = settings.account_id
            and posts.content_type = settings.content_type
            and curves.metric = settings.metric
            and {{ value_of_age('curves', 'settings.age_hours') }} is not null
        order by posts.published_at desc, posts.post_key
        limit {{ last_posts }}
    ) as newest
),

-- The place of each of them among them, by value.
placed as (
    select
        *,
        row_number() over (partition by {{ setting }} order by value, post_key) as place
    from last_posts
),

references_at_ages as (
    select
        {{ setting }},
        array_agg(value order by place) as sorted_values,
        count(*) as posts
    from placed
    group by {{ setting }}
),

-- A post is not compared with itself: taken out of the sorted list, it moves all behind it up by one.
compared as (
    select
        measured.*,
        references_at_ages.sorted_values,
        placed.place,
        cast(references_at_ages.posts - case when placed.place is null then 0 else 1 end as integer) as n
    from measured
    left join references_at_ages using ({{ setting }})
    left join placed
        on
            measured.post_key = placed.post_key
            and measured.metric = placed.metric
            and measured.age_hours = placed.age_hours
),

expected as (
    select
        compared.*,
        ({{ without_one('(compared.n + 1) / 2') }} + {{ without_one('(compared.n + 2) / 2') }}) / 2 as median,
        {{ without_one('median_ranks.rank') }} as median_low,
        {{ without_one('compared.n + 1 - median_ranks.rank') }} as median_high
    from compared
    left join median_ranks on compared.n = median_ranks.n
),

judged as (
    select
        *,
        case
            when n < {{ fewest_posts }} then 'fewer than {{ fewest_posts }} posts to compare with'
            when median <= 0 then 'the usual post has none at this age'
        end as not_judged_because
    from expected
),

final as (
    select
        business_id,
        platform,
        account_id,
        post_id,
        metric,
        content_type,
        published_at,
        age_hours,
        value,
        is_interpolated,
        coalesce(n, 0) as n,
        case when n >= {{ fewest_posts }} then trim_scale(median) end as expected,
        case when n >= {{ fewest_posts }} then median_low end as expected_low,
        case when n >= {{ fewest_posts }} then median_high end as expected_high,
        case when not_judged_because is null then trim_scale(value / median) end as ratio,
        case
            when not_judged_because is null then trim_scale(value / nullif(median_high, 0))
        end as ratio_low,
        case
            when not_judged_because is null and median_low > 0
                then trim_scale(value / median_low)
        end as ratio_high,
        case
            when age_hours is null then 'not seen at an age to compare'
            else not_judged_because
        end as not_judged_because
    from judged
)

select * from final
