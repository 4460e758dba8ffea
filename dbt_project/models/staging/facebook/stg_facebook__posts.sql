with source as (
    {{ passed_rows(source('facebook', 'facebook__posts')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key as post_id,
        observed_at,
        {{ json_instant('created_time') }} as created_time,
        payload ->> 'is_published' as is_published,
        payload ->> 'message' as message,
        payload ->> 'permalink_url' as permalink_url,
        payload #>> '{attachments,data,0,media_type}' as attachment_media_type,
        payload #>> '{attachments,data,0,type}' as attachment_type,
        payload #>> '{attachments,data,0,url}' as attachment_url,
        {{ insight_number('post_media_view') }} as media_view,
        {{ insight_number('post_total_media_view_unique') }} as total_media_view_unique,
        {{ insight_number('post_clicks') }} as clicks,
        {{ insight_number('post_video_views') }} as video_views,
        {{ insight_number('post_video_view_time') }} as video_view_time_ms,
        jsonb_path_query_first(
            payload,
            '$.insights.data[*] ? (@.name == "post_reactions_by_type_total").values[0].value'
        ) as reactions_by_type,
        {{ json_number('$.reactions.summary.total_count') }} as reactions_total_count,
        {{ json_number('$.comments.summary.total_count') }} as comments_total_count,
        {{ json_number('$.shares.count') }} as shares_count
    from source
)

select * from final
