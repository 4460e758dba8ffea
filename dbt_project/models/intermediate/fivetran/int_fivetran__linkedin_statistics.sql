{{ config(enabled=reads_fivetran()) }}

with statistics as (
    select
        *,
        split_part(organization_urn, ':', -1) as organization_id
    from {{ ref('stg_fivetran__linkedin_pages__share_statistic') }}
    -- Totals of the organization name no share.
    where share_urn is not null
),

mapped as (
    select
        statistic_id,
        {{ linkedin_number('post_urn') }} as post_number,
        'ugc' as kind,
        synced_at,
        source_relation
    from {{ ref('stg_fivetran__linkedin_pages__ugc_post_share_statistic') }}
    union all
    select
        statistic_id,
        share_id as post_number,
        'share' as kind,
        synced_at,
        source_relation
    from {{ ref('stg_fivetran__linkedin_pages__share_share_statistic') }}
),

-- What Fivetran's model joins: of each post the mapping that came last.
newest_mapped as (
    select distinct on (post_number, source_relation) *
    from mapped
    order by post_number, source_relation, synced_at desc, statistic_id
),

posts as (
    select * from {{ ref('int_fivetran__linkedin_posts') }}
    where is_newest
),

-- A reading belongs to the post it is mapped to, or else to the share it names.
matched as (
    select distinct on (statistics.statistic_id, statistics.source_relation)
        statistics.statistic_id,
        statistics.source_relation,
        posts.post_urn,
        posts.account_id,
        posts.business_id
    from statistics
    left join mapped
        on statistics.statistic_id = mapped.statistic_id and statistics.source_relation = mapped.source_relation
    inner join posts
        on
            statistics.source_relation = posts.source_relation
            and (mapped.post_number = posts.post_number or statistics.share_urn = posts.post_urn)
    order by
        statistics.statistic_id,
        statistics.source_relation,
        (posts.post_number = mapped.post_number) desc nulls last,
        posts.post_urn
),

final as (
    select
        statistics.statistic_id,
        statistics.source_relation,
        matched.post_urn,
        coalesce(matched.account_id, statistics.organization_id) as account_id,
        coalesce(
            matched.business_id,
            {{ fivetran_business('linkedin', ['statistics.organization_id'], 'statistics.source_relation') }}
        ) as business_id,
        newest_mapped.post_number as strict_post_number,
        newest_mapped.kind as strict_kind,
        statistics.impression_count,
        statistics.click_count,
        statistics.like_count,
        statistics.comment_count,
        statistics.share_count,
        statistics.synced_at
    from statistics
    left join matched
        on
            statistics.statistic_id = matched.statistic_id
            and statistics.source_relation = matched.source_relation
    left join newest_mapped
        on
            statistics.statistic_id = newest_mapped.statistic_id
            and statistics.source_relation = newest_mapped.source_relation
)

select * from final
