with source as (
    {{ passed_rows(source('linkedin', 'linkedin__account_daily')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key,
        {{ key_subject() }} as series,
        {{ key_day() }} as measured_date,
        observed_at,
        {{ json_number('$.totalShareStatistics.impressionCount') }} as impression_count,
        {{ json_number('$.totalShareStatistics.uniqueImpressionsCount') }} as unique_impressions_count,
        {{ json_number('$.totalShareStatistics.clickCount') }} as click_count,
        {{ json_number('$.totalShareStatistics.likeCount') }} as like_count,
        {{ json_number('$.totalShareStatistics.commentCount') }} as comment_count,
        {{ json_number('$.totalShareStatistics.shareCount') }} as share_count,
        {{ json_number('$.followerGains.organicFollowerGain') }} as organic_follower_gain,
        {{ json_number('$.followerGains.paidFollowerGain') }} as paid_follower_gain,
        {{ json_number('$.totalPageStatistics.views.allPageViews.pageViews') }} as all_page_views
    from source
)

select * from final
