{# Posts and sums of each business and platform: in core by both of its tables, in the two marts of posts, and in the days. #}
{%- set sums = ['impressions', 'likes', 'comments', 'shares', 'clicks'] %}
with counted as (
    {% for relation, condition in [
        (ref('fct_posts'), 'true'),
        (ref('post_performance'), 'true'),
        (ref('post_analytics'), 'true'),
        (ref('analytics_summaries'), "period = 'day' and platform <> 'all'"),
    ] %}
        select
            '{{ relation.identifier }}' as relation,
            business_id,
            platform,
            {{ 'sum(posts)' if relation.identifier == 'analytics_summaries' else 'count(*)' }} as posts,
            {% for metric in sums %}
                sum({{ metric }}) as {{ metric }}{% if not loop.last %},{% endif %}
            {% endfor %}
        from {{ relation }}
        where {{ condition }}
        group by business_id, platform
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

described as (
    select
        business_id,
        platform,
        count(*) as posts
    from {{ ref('dim_posts') }}
    where excluded_because is null
    group by business_id, platform
)

select
    business_id,
    platform,
    count(counted.relation) as relations,
    count(distinct (counted.posts, counted.{{ sums | join(', counted.') }})) as answers,
    min(counted.posts) as fewest_posts,
    min(described.posts) as posts_described
from described
full join counted using (business_id, platform)
group by business_id, platform
having
    count(counted.relation) <> 4
    or count(distinct (counted.posts, counted.{{ sums | join(', counted.') }})) <> 1
    or min(counted.posts) is distinct from min(described.posts)
