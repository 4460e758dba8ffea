{#- One row per value of a dimension in one reading; `record_key` names the reading, `observed_at` its version. -#}
{%- set facets = [
    ('seniority', 'by_seniority', 'seniority'),
    ('industry', 'by_industry', 'industry'),
    ('function', 'by_function', 'function'),
    ('company_size', 'by_staff_count_range', 'staffCountRange'),
    ('country', 'by_geo_country', 'geo'),
    ('city', 'by_geo', 'geo'),
] -%}
with linkedin_facets as (
    {% for dimension, column, key in facets %}
        select
            business_id,
            account_id,
            measured_date,
            record_key,
            run_id,
            observed_at,
            '{{ dimension }}' as dimension,
            '{{ key }}' as key,
            {{ column }} as entries
        from {{ ref('stg_linkedin__audience') }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

linkedin as (
    select
        facets.business_id,
        'linkedin' as platform,
        facets.account_id,
        facets.measured_date,
        facets.record_key,
        facets.run_id,
        facets.observed_at,
        facets.dimension,
        entries.entry ->> facets.key as value,
        -- The organic number already holds the paid one.
        {{ json_number('$.followerCounts.organicFollowerCount', column='entries.entry') }} as followers
    from linkedin_facets as facets
    cross join lateral jsonb_path_query(facets.entries, '$[*]') as entries (entry)
),

facebook as (
    select
        audience.business_id,
        'facebook' as platform,
        audience.account_id,
        audience.measured_date,
        audience.record_key,
        audience.run_id,
        audience.observed_at,
        case audience.metric
            when 'page_follows_city' then 'city'
            when 'page_follows_country' then 'country'
        end as dimension,
        counts.item ->> 'key' as value,
        {{ json_number('$.value', column='counts.item') }} as followers
    from {{ ref('stg_facebook__audience') }} as audience
    cross join lateral jsonb_path_query(audience.followers_by_value, '$.keyvalue()', '{}', true) as counts (item)
),

instagram as (
    select
        audience.business_id,
        'instagram' as platform,
        audience.account_id,
        audience.measured_date,
        audience.record_key,
        audience.run_id,
        audience.observed_at,
        audience.breakdown as dimension,
        -- A crossed breakdown has two values: 18-24,F
        concat_ws(',', results.result #>> '{dimension_values,0}', results.result #>> '{dimension_values,1}') as value,
        {{ json_number('$.value', column='results.result') }} as followers
    from {{ ref('stg_instagram__audience') }} as audience
    cross join lateral jsonb_path_query(audience.results, '$[*]') as results (result)
),

unioned as (
    select * from linkedin
    union all
    select * from facebook
    union all
    select * from instagram
),

final as (
    select * from unioned
    where
        measured_date is not null
        and dimension in (
            'age', 'gender', 'age_gender', 'country', 'city', 'seniority', 'industry', 'function', 'company_size'
        )
        and value <> ''
        and not {{ reads_fivetran() | lower }}
)

select * from final
