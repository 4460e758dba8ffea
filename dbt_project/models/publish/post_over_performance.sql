{#- Formulas and references: docs/statistics.md. #}
{{ config(meta={
    'key': ['business_id', 'platform', 'account_id', 'post_id', 'metric'],
    'indexes': [['business_id', 'platform', 'metric']],
}) }}
{%- set last_posts = 100 %}
{%- set fewest_posts = 10 %}
{%- set setting = 'business_id, platform, account_id, content_type, metric, age_hours' %}

with posts as (
    select * from {{ ref('fct_posts') }}
),

curves as (
    select * from {{ ref('fct_post_velocity') }}
),

median_ranks as (
    select * from {{ ref('median_ranks') }}
),

values_at_ages as (
    select
        curves.post_key,
        curves.business_id,
        curves.platform,
        curves.account_id,
        posts.content_type,
        curves.metric,
        posts.published_at,
        ages.age_hours,
        ages.value,
        ages.is_interpolated,
        ages.age_hours = coalesce(
            {% for age, hours in compared_ages() | reverse %}
                case when curves.value_{{ age }} is not null then {{ hours }} end{% if not loop.last %},{% endif %}
            {% endfor %}
        ) as is_oldest_age
    from curves
    inner join posts on curves.post_key = posts.post_key
    {{ with_each_age('curves') }}
    where ages.value is not null
),

by_recency as (
    select
        *,
        row_number() over (partition by {{ setting }} order by published_at desc, post_key) as post_back
    from values_at_ages
),

-- The place of each of the last posts among them, by value.
placed as (
    select
        *,
        row_number() over (partition by {{ setting }} order by value, post_key) as place
    from by_recency
    where post_back <= {{ last_posts }}
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
    from by_recency as measured
    inner join references_at_ages using ({{ setting }})
    left join placed
        on
            measured.post_key = placed.post_key
            and measured.metric = placed.metric
            and measured.age_hours = placed.age_hours
    where measured.is_oldest_age
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
        posts.business_id,
        posts.platform,
        posts.account_id,
        posts.post_id,
        curves.metric,
        posts.content_type,
        posts.published_at,
        judged.age_hours,
        judged.value,
        judged.is_interpolated,
        coalesce(judged.n, 0) as n,
        case when judged.n >= {{ fewest_posts }} then trim_scale(judged.median) end as expected,
        case when judged.n >= {{ fewest_posts }} then judged.median_low end as expected_low,
        case when judged.n >= {{ fewest_posts }} then judged.median_high end as expected_high,
        case when judged.not_judged_because is null then trim_scale(judged.value / judged.median) end as ratio,
        case
            when judged.not_judged_because is null then trim_scale(judged.value / nullif(judged.median_high, 0))
        end as ratio_low,
        case
            when judged.not_judged_because is null and judged.median_low > 0
                then trim_scale(judged.value / judged.median_low)
        end as ratio_high,
        case
            when judged.age_hours is null then 'not seen at an age to compare'
            else judged.not_judged_because
        end as not_judged_because
    from curves
    inner join posts on curves.post_key = posts.post_key
    left join judged on curves.post_key = judged.post_key and curves.metric = judged.metric
)

select * from final
