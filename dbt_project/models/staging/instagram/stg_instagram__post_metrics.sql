with source as (
    {{ passed_rows(source('instagram', 'instagram__post_metrics')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key as post_id,
        observed_at,
        {{ insight_number('ig_reels_video_view_total_time', root='$.data') }} as video_view_total_time_ms,
        {{ insight_number('ig_reels_avg_watch_time', root='$.data') }} as avg_watch_time_ms
    from source
)

select * from final
