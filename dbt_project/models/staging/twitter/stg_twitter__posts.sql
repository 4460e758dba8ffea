with source as (
    {{ passed_rows(source('twitter', 'twitter__posts')) }}
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
        {{ json_instant('created_at') }} as created_at,
        -- X renames its posts' fields without notice, so both spellings are read.
        jsonb_path_query_array(payload, '$.referenced_tweets[*].type')
        || jsonb_path_query_array(payload, '$.referenced_posts[*].type') as referenced_types,
        payload ->> 'in_reply_to_user_id' as in_reply_to_user_id,
        ops.twitter_text(payload) as text,
        payload #>> '{includes,users,0,username}' as username,
        jsonb_path_query_array(payload, '$.includes.media[*].type') as media_types,
        payload @? '$.attachments.poll_ids[*]' as has_poll,
        -- A link to X itself is the post's own media, a quoted post or the rest of a long post.
        payload @? $path$
            $.**{0 to 1}.entities.urls[*].expanded_url ? (
                !(@ like_regex "^https?://([a-z0-9-]+[.])*(x|twitter)[.]com(/|$)" flag "i")
            )
        $path$ as has_external_link,
        {{ json_number('$.public_metrics.impression_count') }} as impression_count,
        {{ json_number('$.public_metrics.like_count') }} as like_count,
        {{ json_number('$.public_metrics.reply_count') }} as reply_count,
        coalesce(
            {{ json_number('$.public_metrics.retweet_count') }},
            {{ json_number('$.public_metrics.repost_count') }}
        ) as repost_count,
        {{ json_number('$.public_metrics.quote_count') }} as quote_count,
        {{ json_number('$.public_metrics.bookmark_count') }} as bookmark_count,
        {{ json_number('$.includes.media[*].public_metrics ? (exists(@.view_count)).view_count') }} as view_count
    from source
)

select * from final
