{{ config(
    enabled=shows_fivetran_compat(),
    meta={
        'key': ['business_id', 'platform', 'source_relation', 'kind'],
        'read_as': 'fivetran_compat.reconciliation',
    },
) }}

with unmatched as (
    {% if reads_fivetran() %}
        select * from {{ ref('fct_fivetran_unmatched') }}
        -- What no business can be told of stays in core.
        where business_id is not null
    {% else %}
        select
            business_id,
            platform,
            '' as source_relation,
            'post_without_metrics' as kind,
            count(*) as records,
            cast(null as numeric) as clicks,
            cast(null as numeric) as impressions,
            cast(null as numeric) as likes,
            cast(null as numeric) as shares,
            cast(null as numeric) as comments
        from {{ ref('fct_posts') }}
        where metrics_observed_at is null
        group by business_id, platform
    {% endif %}
),

final as (
    select
        business_id,
        platform,
        source_relation,
        kind,
        records,
        clicks,
        impressions,
        likes,
        shares,
        comments
    from unmatched
)

select * from final
