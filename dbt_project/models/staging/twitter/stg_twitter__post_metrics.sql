with source as (
    {{ passed_rows(source('twitter', 'twitter__post_metrics')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key as post_id,
        observed_at,
        -- Every edit of a post has an id of its own; each version tells all of them, first to last.
        {{ json_texts(['edit_history_tweet_ids', 'edit_history_post_ids']) }} as version_ids,
        coalesce(
            {{ json_number('$.non_public_metrics.url_link_clicks') }},
            {{ json_number('$.organic_metrics.url_link_clicks') }}
        ) as url_link_clicks
    from source
)

select * from final
