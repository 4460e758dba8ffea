with source as (
    {{ passed_rows(source('linkedin', 'linkedin__posts')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key as post_id,
        observed_at,
        coalesce({{ json_epoch_ms('$.publishedAt') }}, {{ json_epoch_ms('$.createdAt') }}) as published_at,
        payload ->> 'lifecycleState' as lifecycle_state,
        payload #>> '{distribution,feedDistribution}' as feed_distribution,
        payload #>> '{adContext,isDsc}' as is_direct_sponsored,
        payload ->> 'commentary' as commentary,
        payload #>> '{content,media,id}' as media_urn,
        payload #> '{content,multiImage}' is not null as has_multi_image,
        payload #> '{content,carousel}' is not null as has_carousel,
        payload #> '{content,poll}' is not null as has_poll,
        payload #> '{content,article}' is not null as has_article,
        payload #>> '{reshareContext,parent}' as reshared_urn
    from source
)

select * from final
