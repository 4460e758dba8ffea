with source as (
    {{ passed_rows(source('linkedin', 'linkedin__post_metrics')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key as post_id,
        observed_at,
        {{ json_number('$.totalShareStatistics.impressionCount') }} as impression_count,
        {{ json_number('$.totalShareStatistics.uniqueImpressionsCount') }} as unique_impressions_count,
        {{ json_number('$.totalShareStatistics.clickCount') }} as click_count,
        {{ json_number('$.totalShareStatistics.likeCount') }} as like_count,
        {{ json_number('$.totalShareStatistics.commentCount') }} as comment_count,
        {{ json_number('$.totalShareStatistics.shareCount') }} as share_count
    from source
)

select * from final
