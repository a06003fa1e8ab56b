"""Names of services that stand beside their keys, where nothing else says what a value is: `SHODAN = "..."`."""

_NAMES = r"""adobe airtable algolia alibaba asana atlassian beamer bitbucket bittrex cloudflare codecov cohere coinbase
confluent contentful datadog discord droneci dropbox etsy facebook fastly finicity finnhub flickr freshbooks
gitter gocardless heroku hubspot intercom jfrog artifactory bintray jira kraken kucoin launchdarkly linkedin
looker mailchimp mailgun mattermost messagebird netlify new.?relic nytimes okta plaid rapidapi sendbird sentry
snyk sonar squarespace sumo(?:logic)? telegram travis(?:ci)? twilio twitch twitter zendesk openai anthropic
mistral pagerduty opsgenie wandb meraki private.?ai linear abuseipdb abyssale aiven apify appcues appfollow
apptivo assemblyai auth0 autodesk aylien bannerbear baremetrics bitfinex bitmex bombbomb browserstack bugsnag
buildkite bulksms caflou calendarific calendly campayn carboninterface censys chargebee circleci clarifai
clickhelp clicksend clickup clinchpad clockify cloudelements cloudimage cloudmersive cloudsmith cloverly
clustdoc codacy codeclimate codemagic coinapi coinlayer coinlib conversiontools convertapi convertkit
craftmypdf currencyfreaks currencylayer deepgram deepseek detectify detectlanguage diffbot digicert docusign
documo dronahq dwolla dynatrace edamam edenai elasticemail elevenlabs enablex etherscan ethplorer eventbrite
everhour exchangerate facepp fileio finage firebase fixerio flightapi formcraft formio formsite foursquare
fullstory geoapify geocodify geocodio getgeoapi getresponse giphy glassnode goodday grafana graphcms
graphhopper groovehq groq gumroad happyscribe helpscout holidayapi hypertrack iconfinder imagekit infura
instabot ipapi ipgeolocation ipinfo ipinfodb ipquality ipstack jotform jumpcloud kaleyra keenio kickbox
klaviyo knapsackpro kylas languagelayer leadfeeder lemlist lendflow lexigram livestorm locationiq loggly
logzio lokalise loyverse mailboxlayer mailerlite mailersend mailjet mailmodo mailsac mandrill mapbox mapquest
marketstack mavenlink maxmind meistertask mesibo messari metaapi metabase mindmeister mixmax mixpanel mockaroo
moosend moralis nasdaqdatalink nethunt neutrinoapi newscatcher newsapi nexmo nftport ngrok nicereply nozbe
numverify nutritionix nylas omnisend onelogin onepagecrm onesignal onfleet oopspam openuv openweather
openweathermap optimizely packagecloud pagarme paperform parsehub parseur partnerstack paymongo paypal
pepipost perplexity pinata pipedream pipedrive pivotaltracker pixabay podio poloniex positionstack postageapp
posthog postmark powrbot prodpad proxycrawl pubnub pulumi pushbullet qualaroo quickmetrics razorpay rebrandly
repairshopr replicate restpack retellai ringcentral ritekit rocketreach rollbar runrunit salesblink salesflare
salesforce salesmate saucelabs scaleway scrapeowl scraperapi scraperbox scrapestack scrapfly scrapingant
scrapingbee screenshotapi scrutinizer securitytrails selectpdf sendgrid sendinblue serphouse serpapi serpstack
sherpadesk shodan shotstack shutterstock signalwire signaturit simplesat siteleaf skybiometry smartsheets?
smooch snipcart sonarcloud splunk spoonacular sslmate statuscake statuspage stitchdata storecove stormboard
stormglass storyblok storychief strava stytch surveybot surveysparrow survicate swiftype tallyfy tatumio
tavily taxjar teamgate telnyx textmagic thinkific thousandeyes ticketmaster timezoneapi tmetric todoist toggl
tomtom tradier trello tyntec typeform typetalk ubidots unsplash uptimerobot uploadcare urlscan userstack
vatlayer vercel veriphone verimail virustotal voicegain voodoosms vultr walkscore weatherapi weatherbit
weatherstack webex webflow webscraper whoxy woorank worldcoinindex wrike yelp zenkit zenscrape zenserp zeplin
zerobounce zerotier zipapi zipbooks zipcodeapi zoho"""
"""Names of nothing else; parts of regular expressions."""

SERVICES = "|".join(_NAMES.split())
